// @ts-check
// The jobs of a run on a common axis of time.
import { html } from 'htm/preact';
import { now } from '../lib/use.js';
import { criticalPath } from '../lib/graph.js';
import { setQuery } from '../lib/router.js';
import { duration, ticking } from '../lib/format.js';
import { jobOutcome } from './outcome.js';
import { Shape, statusLabel, tone } from './status.js';

function Bar({ job, from, whole, at, chosen, critical }) {
  const started = job.started_at && Date.parse(job.started_at);
  const end = job.completed_at ? Date.parse(job.completed_at) : at;
  const seconds = started ? Math.max(0, (end - started) / 1000) : 0;
  const share = (ms) => `${Math.min(100, Math.max(0, (100 * ms) / whole))}%`;
  return html`<tr class="row tone-${tone(job.status)} ${critical ? 'is-critical' : ''}" data-row aria-current=${chosen ? 'true' : undefined}>
    <th scope="row"><button type="button" class="ghost row-link with-shape" onClick=${() => setQuery({ job: job.key })}><${Shape} status=${job.status} label=${statusLabel(job.status)} />${job.key}</button></th>
    <td class="timeline-cell">${started ? html`<span class="phase-track ${job.completed_at ? '' : 'is-open'}" role="img" aria-label=${`began after ${duration((started - from) / 1000)}`}><i style=${{ left: share(started - from), width: share(end - started) }}></i></span>`
    : html`<span class="faint small" title=${job.message ?? ''}>${jobOutcome(job) || statusLabel(job.status)}</span>`}</td>
    <td class="num">${started ? (job.completed_at ? duration(seconds) : ticking(seconds)) : ''}</td></tr>`;
}

export function Timeline({ run, chosen }) {
  const at = run.completed_at ? Date.parse(run.completed_at) : now.value;
  const from = Date.parse(run.started_at ?? run.created_at);
  const whole = Math.max(1, at - from);
  const critical = run.completed_at ? criticalPath(run) : new Set();
  return html`<div class="scroll-x"><table class="rows timeline" aria-label="Timeline">
    <thead><tr><th>Job</th><th>${duration(whole / 1000)} from the start</th><th class="num">Took</th></tr></thead>
    <tbody>${run.jobs.map((job) => html`<${Bar} key=${job.key} job=${job} from=${from} whole=${whole} at=${at} chosen=${job.key === chosen} critical=${critical.has(job.job)} />`)}</tbody></table></div>`;
}
