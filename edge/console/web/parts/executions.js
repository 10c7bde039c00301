// @ts-check
// Executions as rows.
import { html } from 'htm/preact';
import { memo } from './memo.js';
import { href } from '../lib/router.js';
import { jobName, pipelineName, title, workerName } from '../lib/names.js';
import { commandTitle, moment } from '../lib/format.js';
import { Age, Button, Elapsed } from './basics.js';
import { attempt } from './dialog.js';
import { outcome } from './outcome.js';
import { Status } from './status.js';

const Row = memo(({ e, of }) => {
  const job = e.job_id && jobName(e.job_id);
  const command = commandTitle(e.command);
  const path = href(`/executions/${e.id}`);
  return html`<div role="row" data-row class="row grid-row">
    <div role="cell" class="col-state"><span class="state-line"><${Status} status=${e.status} /><span class="outcome">${outcome(e)}</span></span></div>
    <div role="cell" class="col-title"><a class="row-link ${of === 'job' ? 'mono' : ''}" href=${path}>${of === 'job' ? command : title(e)}</a>
      ${e.attempt > 1 && html`<span class="label">attempt ${e.attempt}</span>`}${e.retry_at && html`<span class="label">retries at ${moment(e.retry_at)}</span>`}
      ${of !== 'job' && html`<div class="under">${of !== 'pipeline' && e.pipeline_id && html`<span class="under-strong">${pipelineName(e.pipeline_id)}</span>`}
        ${job ? html`<code>${command}</code>` : !e.job_id && html`<span>ad hoc</span>`}</div>`}</div>
    ${of !== 'worker' && html`<div role="cell" class="col-worker">${e.worker_id && html`<a href=${href(`/workers/${e.worker_id}`)}>${workerName(e.worker_id)}</a>`}</div>`}
    <div role="cell" class="col-time num"><${Age} time=${e.completed_at ?? e.started_at ?? e.created_at} /></div>
    <div role="cell" class="col-took num"><${Elapsed} from=${e.started_at ?? e.created_at} to=${e.completed_at} /></div>
  </div>`;
});

const columns = [['State', ''], ['Execution', ''], ['Worker', ''], ['Time', 'num'], ['Duration', 'num']];

/**
 * A table of executions. `of` is "pipeline", "job" or "worker" if the view already
 * names it, and rows then leave it out. It consists of boxes, because the browser
 * skips invisible boxes but not invisible rows of a <table>, and there may be five
 * hundred.
 */
export const ExecutionTable = ({ items, of = '', label = 'Executions' }) => html`
  <div class="scroll-x"><div class="executions ${of && `of-${of}`}" role="table" aria-label=${label}>
    <div role="row" class="grid-row grid-head">${columns.filter(([text]) => text.toLowerCase() !== of).map(([text, cls]) => html`<span key=${text} role="columnheader" class=${cls}>${text}</span>`)}</div>
    ${items.map((e) => html`<${Row} key=${e.id} e=${e} of=${of} />`)}
  </div></div>`;

/** Loads the next page of a list. */
export const More = ({ list }) => list.data.next_cursor && html`<p class="more"><${Button} onClick=${() => attempt(list.more)}>Show more</${Button}></p>`;
