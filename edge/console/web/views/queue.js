// @ts-check
// Waiting executions in the order of scheduling, and why they wait.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { useLoad, useTitle } from '../lib/use.js';
import { title } from '../lib/names.js';
import { href } from '../lib/router.js';
import { may } from '../lib/me.js';
import { number } from '../lib/format.js';
import { Age, Empty, Head, Loaded } from '../parts/basics.js';
import { icons } from '../parts/icons.js';
import { Needs, Reason } from '../parts/needs.js';
import { cancel } from '../parts/run.js';

const MOST = 500;
const columns = [['#', 'num'], ['Execution'], ['Reason'], ['Requires', 'wide'], ['Priority', 'num wide'], ['Waiting since', 'num wide']];

const Row = ({ q, reload }) => html`<tr data-row class="row">
  <td class="num faint">${q.position}</td>
  <td class="col-title"><a class="row-link" href=${href(`/executions/${q.execution_id}`)}>${title({ id: q.execution_id, job_id: q.job_id })}</a></td>
  <td class="col-why"><${Reason} of=${q} /></td><td class="wide"><${Needs} needs=${q.requirements} /></td>
  <td class="num wide">${q.priority}</td><td class="num wide"><${Age} time=${q.created_at} /></td>
  <td class="col-act">${may('developer') && html`<a class="button ghost" href=${href('/why', { execution_id: q.execution_id })}>Placement</a>
    <button type="button" class="ghost" aria-label=${`Cancel ${q.execution_id}`} title="Cancel" onClick=${() => cancel(q.execution_id, 'The execution', reload)}>${icons.close()}</button>`}</td></tr>`;

/** How many wait, and how many of those shown cannot run on any worker. */
function count({ items, total }) {
  const never = items.filter((q) => q.impossible).length;
  return `${number(total)} waiting, in scheduling order${never ? `; ${number(never)} that no worker can run` : ''}`;
}

export function Queue() {
  const queue = useLoad((signal) => get('/queue', { limit: MOST }, signal), [], { on: () => true, every: 1500 });
  useTitle(queue.data ? `${number(queue.data.total)} queued` : 'Queue');
  return html`<${Head} title="Queue" sub=${queue.data?.total ? count(queue.data) : null} />
    <${Loaded} of=${queue}>${({ items, total }) => (items.length ? html`<section class="panel flush"><div class="scroll-x"><table class="rows queue" aria-label="Queue">
      <thead><tr>${columns.map(([text, cls = '']) => html`<th key=${text} class=${cls}>${text}</th>`)}<th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${items.map((q) => html`<${Row} key=${q.execution_id} q=${q} reload=${queue.reload} />`)}</tbody></table></div></section>
      ${total > items.length && html`<p class="more">and ${number(total - items.length)} more</p>`}`
    : html`<${Empty} title="Queue is empty" text="Every execution has a worker. To watch the queue:" command="hodei queue --watch" />`)}</${Loaded}>`;
}
