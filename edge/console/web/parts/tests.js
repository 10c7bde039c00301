// @ts-check
// Test reports: those of one run by job, and those of the last runs of a pipeline.
import { html } from 'htm/preact';
import { all } from '../lib/api.js';
import { duration, number, plural } from '../lib/format.js';
import { href } from '../lib/router.js';
import { byRun, failing, outcomes, sum } from '../lib/tests.js';
import { useLoad } from '../lib/use.js';
import { Panel } from './basics.js';

const SHOWN = 20; // runs, and tests that fail

const Count = ({ n, tone = '' }) => html`<td class="num ${n > 0 && tone ? `tone-${tone} toned` : ''}">${n > 0 ? number(n) : html`<span class="faint">0</span>`}</td>`;

/** The cells of a report. */
const Counts = ({ of }) => html`<${Count} n=${of.passed} /><${Count} n=${of.failed} tone="fail" /><${Count} n=${of.skipped} />
  <td class="num wide">${duration(of.duration_seconds)}</td>`;

const Table = ({ label, first, children }) => html`<div class="scroll-x"><table class="rows tests" aria-label=${label}>
  <thead><tr><th>${first}</th><th class="num">Passed</th><th class="num">Failed</th><th class="num">Skipped</th><th class="num wide">Took</th></tr></thead>
  <tbody>${children}</tbody></table></div>`;

/** The name of a test behind its suite. */
const Name = ({ test }) => html`<span class="test-name">${test.name}</span>${test.suite && html` <span class="faint">${test.suite}</span>`}`;

const Failed = ({ test, job }) => html`<li><details><summary><${Name} test=${test} /> <span class="label">${job}</span></summary>
  ${test.message ? html`<pre class="script" tabindex="0" aria-label=${`Failure of ${test.name}`}>${test.message}</pre>` : html`<p class="quiet">The report has no message.</p>`}</details></li>`;

/** The slowest tests of all jobs. */
function Slowest({ artifacts }) {
  const tests = artifacts.flatMap((a) => a.report.slowest.map((test) => ({ ...test, job: a.job_key }))).sort((a, b) => b.duration_seconds - a.duration_seconds).slice(0, 10);
  return tests.length > 0 && html`<details class="slowest"><summary>Slowest tests</summary><ul>${tests.map((test, i) => html`<li key=${i}><span class="num">${duration(test.duration_seconds)}</span> <${Name} test=${test} /> <span class="label">${test.job}</span></li>`)}</ul></details>`;
}

/** The tests of a run: outcomes by job, what failed and why, and the slowest. */
export function RunTests({ artifacts }) {
  if (!artifacts.length) return null;
  const whole = sum(artifacts.map((a) => a.report));
  const listed = artifacts.reduce((n, a) => n + a.report.failures.length, 0);
  return html`<${Panel} title="Tests" cls="flush" aside=${html`<span class="faint">${outcomes(whole)}</span>`}>
    <${Table} label="Tests by job" first="Job">${artifacts.toSorted((a, b) => b.report.failed - a.report.failed).map((a) => html`<tr data-row class="row" key=${a.id}>
      <td class="col-title">${a.job_key}<div class="under"><span>${a.name}</span></div></td><${Counts} of=${a.report} /></tr>`)}</${Table}>
    ${listed > 0 && html`<ul class="failures" aria-label="Failed tests">${artifacts.flatMap((a) => a.report.failures.map((test, i) => html`<${Failed} key=${`${a.id} ${i}`} test=${test} job=${a.job_key} />`))}</ul>`}
    ${whole.failed > listed && html`<p class="more">and ${number(whole.failed - listed)} more, in the artifacts.</p>`}
    <${Slowest} artifacts=${artifacts} /></${Panel}>`;
}

const Failing = ({ test: t }) => html`<tr data-row class="row"><td class="col-title"><a class="row-link" href=${href(`/runs/${t.last.run_id}`, { job: t.job })}>${t.name}</a>
    <div class="under"><span>${t.job}</span><span>${t.suite}</span></div></td>
  <td>${t.now ? html`<span class="tone-fail toned">Failing</span>` : html`<span class="faint">Not in the last run</span>`}</td>
  <td class="num">${t.failed} of ${plural(t.of, 'run')}</td><td class="num wide"><a href=${href(`/runs/${t.last.run_id}`)}>#${t.last.run_number}</a></td></tr>`;

/** The tests of the last runs of a pipeline, if it has any. */
export function PipelineTests({ id }) {
  const list = useLoad((signal) => all(`/pipelines/${id}/reports`, {}, signal, 200), [id], {
    on: ({ kind, data }) => kind === 'run' && data.run.pipeline_id === id && data.run.completed_at !== null, every: 2000,
  });
  if (!list.data?.length) return null;
  const runs = byRun(list.data);
  const tests = failing(list.data);
  return html`<${Panel} title="Tests" cls="flush" aside=${html`<span class="faint">${plural(runs.length, 'run')}</span>`}>
    ${tests.length > 0 && html`<div class="scroll-x"><table class="rows" aria-label="Tests that have failed">
      <thead><tr><th>Test</th><th>State</th><th class="num">Failed in</th><th class="num wide">Last</th></tr></thead>
      <tbody>${tests.slice(0, SHOWN).map((test) => html`<${Failing} key=${test.key} test=${test} />`)}</tbody></table></div>`}
    <${Table} label="Tests by run" first="Run">${runs.slice(0, SHOWN).map((run) => html`<tr data-row class="row" key=${run.id}>
      <td class="col-title"><a class="row-link" href=${href(`/runs/${run.id}`)}>#${run.number}</a></td><${Counts} of=${run} /></tr>`)}</${Table}></${Panel}>`;
}
