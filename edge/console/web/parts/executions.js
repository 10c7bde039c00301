// @ts-check
// Executions as rows, wherever they are listed.
import { html } from 'htm/preact';
import { memo } from './memo.js';
import { href } from '../lib/router.js';
import { jobName, pipelineName, title, workerName } from '../lib/names.js';
import { commandTitle } from '../lib/format.js';
import { Age, Elapsed } from './basics.js';
import { outcome } from './outcome.js';
import { Status } from './status.js';

const Row = memo(({ e, bare }) => {
  const job = e.job_id && jobName(e.job_id);
  return html`<div role="row" data-row class="row grid-row">
    <div role="cell" class="col-state"><span class="state-line"><${Status} status=${e.status} /><span class="outcome">${outcome(e)}</span></span></div>
    <div role="cell" class="col-title"><a class="row-link" href=${href(`/executions/${e.id}`)}>${title(e)}</a>
      ${e.attempt > 1 && html`<span class="label">attempt ${e.attempt}</span>`}
      <div class="under">${!bare && e.pipeline_id && html`<span class="under-strong">${pipelineName(e.pipeline_id)}</span>`}${(job || bare) && html`<code>${commandTitle(e.command)}</code>`}${!job && !e.job_id && !bare && html`<span>ad hoc</span>`}</div></div>
    <div role="cell" class="col-worker">${e.worker_id && html`<a href=${href(`/workers/${e.worker_id}`)}>${workerName(e.worker_id)}</a>`}</div>
    <div role="cell" class="col-time num"><${Age} time=${e.completed_at ?? e.started_at ?? e.created_at} /></div>
    <div role="cell" class="col-took num"><${Elapsed} from=${e.started_at ?? e.created_at} to=${e.completed_at} /></div>
  </div>`;
});

const columns = [['State', ''], ['What', ''], ['Worker', ''], ['When', 'num'], ['Took', 'num']];

/**
 * A table of executions; bare leaves out the pipeline, which the view names. It
 * is made of boxes, of which the browser skips those out of sight: it does not
 * do that for the rows of a <table>, and there may be five hundred.
 */
export const ExecutionTable = ({ items, bare = false, label = 'Executions' }) => html`
  <div class="scroll-x"><div class="executions" role="table" aria-label=${label}>
    <div role="row" class="grid-row grid-head">${columns.map(([text, cls]) => html`<span key=${text} role="columnheader" class=${cls}>${text}</span>`)}</div>
    ${items.map((e) => html`<${Row} key=${e.id} e=${e} bare=${bare} />`)}
  </div></div>`;
