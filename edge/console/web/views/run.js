// @ts-check
// One run of a pipeline: its jobs as a graph or on a timeline, and the log of the
// chosen one, or of all, beside them.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { useLoad, useTitle } from '../lib/use.js';
import { runName, useRun } from '../lib/runs.js';
import { pipelineName, workerName } from '../lib/names.js';
import { href, place, setQuery } from '../lib/router.js';
import { may } from '../lib/me.js';
import { useKeys } from '../lib/keys.js';
import { plural } from '../lib/format.js';
import { Age, Button, Choices, Elapsed, Facts, Loaded } from '../parts/basics.js';
import { RunArtifacts } from '../parts/artifacts.js';
import { Approval, Decision } from '../parts/approval.js';
import { Legs, RunGraph } from '../parts/graph.js';
import { icons } from '../parts/icons.js';
import { childName, ending, jobOutcome, outcome, runEnding } from '../parts/outcome.js';
import { cancelRun, paramsText, parentName, rerun, trigger } from '../parts/runs.js';
import { Status, statusLabel } from '../parts/status.js';
import { RunNotifications } from '../parts/notifications.js';
import { Timeline } from '../parts/timeline.js';
import { Waiting } from '../parts/waiting.js';
import { LogViewer } from '../log/viewer.js';

const FIRST = ['FAILED', 'TIMED_OUT', 'BLOCKED', 'RUNNING', 'PENDING', 'COMPLETED'];

const ALL = '*'; // in place of the key of a job: the log of all jobs

/** The job whose log is shown when none is chosen: what people look for first. */
function interesting(run) {
  for (const status of FIRST) {
    const job = run.jobs.find((j) => j.status === status && (status !== 'FAILED' || !j.warning));
    if (job) return job.key;
  }
  return run.jobs[0]?.key ?? '';
}

/** The run of another pipeline that the job has started. */
const Child = ({ child }) => html`<p class="child-run">This job has started <a class="link" href=${href(`/runs/${child.run_id}`)}>${childName(child)}</a> <${Status} status=${child.status} /></p>`;

/** What stands in the place of the log of a job without an execution. */
function NoLog({ job }) {
  if (job.child) return html`<${Child} child=${job.child} />`;
  if (job.status === 'SKIPPED') return html`<p class="quiet">It was skipped, so there is no log.</p>`;
  return html`<p class="quiet">${job.completed_at ? 'Nothing was executed, so there is no log.' : 'It has not started yet.'}</p>`;
}

const Whose = ({ value }) => html`<${Choices} label="Log" options=${[['', 'One job'], [ALL, 'All jobs']]} value=${value} onChange=${(job) => setQuery({ job })} />`;

/** The log of all jobs, each line behind the key of its job. */
const AllJobs = ({ run, reload }) => html`<section class="chosen" aria-label="All jobs">
    <div class="chosen-head"><h2>All jobs</h2><${Whose} value=${ALL} /></div>
    <${LogViewer} key=${run.id} run=${run} onEnd=${reload} />
  </section>`;

/** The chosen job: how it stands, and its log. */
function Chosen({ run, job, reload }) {
  const id = job.execution_id ?? job.reused_execution_id;
  const execution = useLoad((signal) => (id ? get(`/executions/${id}`, {}, signal) : Promise.resolve(null)), [id], {
    on: ({ kind, data }) => kind === 'execution' && data.execution.id === id, every: 300,
  });
  const e = execution.data?.id === id ? execution.data : null;
  const outputs = Object.entries(job.outputs ?? {});
  const why = e ? ending(e) : '';
  const message = why ? null : job.message; // the execution has the same, as a sentence
  return html`<section class="chosen" aria-label=${`Job ${job.key}`}>
    <div class="chosen-head"><h2>${job.name ?? job.key}</h2><${Whose} value="" /><${Status} status=${job.status} /><span class="outcome">${!message && (jobOutcome(job) || (e ? outcome(e) : ''))}</span>
      <span class="num faint">${job.started_at && html`<${Elapsed} from=${job.started_at} to=${job.completed_at} />`}</span>
      ${id && html`<a class="button ghost" href=${href(`/executions/${id}`)}>Execution</a>`}</div>
    <${Legs} run=${run} chosen=${job.key} />
    ${job.status === 'BLOCKED' && job.approval && html`<${Approval} run=${run} job=${job} reload=${reload} />`}
    ${job.status === 'PENDING' && e?.status === 'PENDING' && html`<${Waiting} execution=${e} />`}
    <${Facts} items=${[
    job.needs.length > 0 && ['Needs', job.needs.join(', ')],
    job.approval?.decided_at && ['Approval', html`<${Decision} approval=${job.approval} />`],
    e?.worker_id && ['Worker', html`<a href=${href(`/workers/${e.worker_id}`)}>${workerName(e.worker_id)}</a>`],
    outputs.length > 0 && ['Outputs', html`<code>${outputs.map(([name, value]) => `${name}=${value}`).join(' ')}</code>`],
    why && ['Why', why],
    message && ['Why', message],
  ]} />
    ${e ? html`<${LogViewer} key=${id} execution=${e} onEnd=${execution.reload} />` : !id && html`<${NoLog} job=${job} />`}
  </section>`;
}

function Header({ run, name, reload }) {
  const live = !run.completed_at;
  const failed = run.jobs.some((job) => ['FAILED', 'TIMED_OUT', 'CANCELLED'].includes(job.status) || job.reason === 'NEEDS');
  return html`<header class="head"><div class="head-text">
      <div class="crumbs"><a href=${href('/runs')}>Runs</a><span aria-hidden="true">/</span><a href=${href(`/pipelines/${run.pipeline_id}`)}>${pipelineName(run.pipeline_id)}</a></div>
      <h1>${name}</h1>
      <p class="sub execution-sub"><${Status} status=${run.status} />${run.warnings > 0 && html`<span class="label">${plural(run.warnings, 'warning')}</span>`}
        <span class="num"><${Elapsed} from=${run.started_at ?? run.created_at} to=${run.completed_at} /></span>
        ${runEnding(run) && html`<span>${runEnding(run)}</span>`}
        <span class="faint">Started ${run.parent ? html`by <a class="link" href=${href(`/runs/${run.parent.run_id}`, { job: run.parent.job_key })}>${parentName(run.parent)}</a>` : run.trigger.hook_id ? html`<a class="link" href=${href(`/hooks/${run.trigger.hook_id}`)}>${trigger(run)}</a>` : run.trigger.schedule_id ? html`on <a class="link" href=${href(`/schedules/${run.trigger.schedule_id}`)}>schedule</a>` : trigger(run)} <${Age} time=${run.created_at} /></span>
        ${paramsText(run) && html`<code class="faint">${paramsText(run)}</code>`}
        ${run.commit && html`<code class="faint" title=${run.commit}>${run.commit.slice(0, 8)}</code>`}
        ${run.definition === 'repository' && html`<span class="label" title="The jobs are those of the file in the commit, not of the pipeline as it was applied">definition of the commit</span>`}
        ${run.rerun_of && html`<a class="link" href=${href(`/runs/${run.rerun_of}`)}>the run before</a>`}</p></div>
    <div class="actions">${may('developer') && html`${live ? html`<button type="button" class="danger" disabled=${run.cancel_requested_at !== null} onClick=${() => cancelRun(run, name, reload)}>${icons.stop()}${run.cancel_requested_at ? 'Cancelling' : 'Cancel'}</button>`
    : html`${failed && html`<${Button} cls="primary" icon="retry" onClick=${() => rerun(run, 'failed')}>Rerun failed</${Button}>`}
      <${Button} icon="retry" onClick=${() => rerun(run, 'all')}>Rerun all</${Button}>`}`}</div></header>`;
}

export function Run({ id }) {
  const load = useRun(id);
  const run = load.data;
  const name = run ? runName(run, pipelineName(run.pipeline_id)) : 'Run';
  useTitle(run ? `${statusLabel(run.status)}: ${name}` : name);
  const { query } = place.value;
  const view = query.get('view') ?? 'graph';
  const all = query.get('job') === ALL;
  const chosen = all ? ALL : run?.jobs.find((job) => job.key === query.get('job'))?.key ?? (run ? interesting(run) : '');
  const step = (by) => {
    const at = run.jobs.findIndex((job) => job.key === chosen);
    setQuery({ job: run.jobs[Math.min(run.jobs.length - 1, Math.max(0, at + by))].key });
  };
  useKeys({
    v: { what: 'Graph or timeline', run: () => setQuery({ view: view === 'graph' ? 'timeline' : '' }) },
    ']': { what: 'Next job of the run', run: () => step(1) },
    '[': { what: 'Previous job of the run', run: () => step(-1) },
    a: { what: 'The log of all jobs, or of one', run: () => setQuery({ job: all ? '' : ALL }) },
    x: { what: 'Cancel the run, or rerun what failed', role: 'developer', run: () => (run.completed_at ? rerun(run, 'failed') : cancelRun(run, name, load.reload)) },
  });
  return html`<${Loaded} of=${load}>${() => {
    const job = run.jobs.find((j) => j.key === chosen);
    return html`<${Header} run=${run} name=${name} reload=${load.reload} />
    ${run.status === 'PENDING' && html`<div class="waiting">It waits for a run with the same concurrency key to end.</div>`}
    <section class="panel flush"><div class="panel-head"><h2>${plural(run.jobs.length, 'job')}</h2>
      <${Choices} label="View" options=${[['graph', 'Graph'], ['timeline', 'Timeline']]} value=${view} onChange=${(v) => setQuery({ view: v === 'graph' ? '' : v })} /></div>
      ${view === 'timeline' ? html`<${Timeline} run=${run} chosen=${chosen} />` : html`<${RunGraph} run=${run} chosen=${chosen} />`}</section>
    ${run.jobs.filter((j) => j.status === 'BLOCKED' && j.approval && j.key !== chosen).map((j) => html`<${Approval} key=${j.key} run=${run} job=${j} reload=${load.reload} />`)}
    ${all && html`<${AllJobs} run=${run} reload=${load.reload} />`}
    ${job && html`<${Chosen} key=${job.key} run=${run} job=${job} reload=${load.reload} />`}
    <${RunArtifacts} id=${run.id} />
    <${RunNotifications} id=${run.id} />`;
  }}</${Loaded}>`;
}
