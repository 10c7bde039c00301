// @ts-check
// Executions as rows, wherever they are listed.
import { html } from 'htm/preact';
import { memo } from './memo.js';
import { href } from '../lib/router.js';
import { jobName, pipelineName, title, workerName } from '../lib/names.js';
import { commandTitle } from '../lib/format.js';
import { Age, Elapsed } from './basics.js';
import { Status } from './status.js';

/** What may be told beside the state: the exit code, the signal, or the reason. */
export function outcome(e) {
  if (e.status === 'RUNNING' && e.cancel_requested_at) return 'cancelling';
  if (e.status === 'PENDING' && e.retry_of) return `attempt ${e.attempt}`;
  if (e.status === 'COMPLETED' || !e.reason) return '';
  if (e.reason === 'EXIT_CODE') return `exit ${e.exit_code}`;
  if (e.reason === 'SIGNAL') return e.signal;
  if (e.reason === e.status || e.reason === 'TIMEOUT') return '';
  return e.reason.toLowerCase().replaceAll('_', ' ');
}

const Row = memo(({ e, bare }) => {
  const job = e.job_id && jobName(e.job_id);
  return html`<tr data-row class="row">
    <td class="col-state"><span class="state-line"><${Status} status=${e.status} /><span class="outcome">${outcome(e)}</span></span></td>
    <td class="col-title"><a class="row-link" href=${href(`/executions/${e.id}`)}>${title(e)}</a>
      ${e.attempt > 1 && html`<span class="label">attempt ${e.attempt}</span>`}
      <div class="under">${!bare && e.pipeline_id && html`<span class="under-strong">${pipelineName(e.pipeline_id)}</span>`}${(job || bare) && html`<code>${commandTitle(e.command)}</code>`}${!job && !e.job_id && !bare && html`<span>ad hoc</span>`}</div></td>
    <td class="col-worker">${e.worker_id && html`<a href=${href(`/workers/${e.worker_id}`)}>${workerName(e.worker_id)}</a>`}</td>
    <td class="col-time num"><${Age} time=${e.completed_at ?? e.started_at ?? e.created_at} /></td>
    <td class="col-took num"><${Elapsed} from=${e.started_at ?? e.created_at} to=${e.completed_at} /></td>
  </tr>`;
});

/** A table of executions; bare leaves out the pipeline, which the view names. */
export const ExecutionTable = ({ items, bare = false, label = 'Executions' }) => html`
  <div class="scroll-x" tabindex="-1"><table class="rows executions" aria-label=${label}>
    <thead><tr><th>State</th><th>What</th><th>Worker</th><th class="num">When</th><th class="num">Took</th></tr></thead>
    <tbody>${items.map((e) => html`<${Row} key=${e.id} e=${e} bare=${bare} />`)}</tbody>
  </table></div>`;
