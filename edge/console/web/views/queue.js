// @ts-check
// What waits for a worker, in the order in which it will be tried, and why.
import { html } from 'htm/preact';
import { get, post } from '../lib/api.js';
import { useLoad, useTitle } from '../lib/use.js';
import { title } from '../lib/names.js';
import { href } from '../lib/router.js';
import { number } from '../lib/format.js';
import { Age, Empty, Head, Labels, Loaded } from '../parts/basics.js';
import { confirm } from '../parts/dialog.js';
import { icons } from '../parts/icons.js';

export const cancel = (id, name, reload = () => {}) => confirm({
  title: 'Cancel this execution?', text: `${name} gets a TERM signal, and a KILL ten seconds later if it has not ended by then.`, yes: 'Cancel it',
  act: async () => { await post(`/executions/${id}/cancel`); reload(); },
});

/** What it asks of a worker. */
export const Needs = ({ needs }) => html`${needs?.type && html`<span class="label">${needs.type}</span>`}
  ${needs?.capacity > 1 && html`<span class="label">${needs.capacity} slots</span>`}<${Labels} labels=${needs?.labels} />
  ${!needs?.type && !(needs?.capacity > 1) && !Object.keys(needs?.labels ?? {}).length && html`<span class="faint">any worker</span>`}`;

export function Queue() {
  const queue = useLoad((signal) => get('/queue', { limit: 500 }, signal), [], { on: () => true, every: 1500 });
  useTitle(queue.data ? `${number(queue.data.total)} queued` : 'Queue');
  return html`<${Head} title="Queue" sub=${queue.data?.total ? `${number(queue.data.total)} waiting, highest priority first, then oldest` : null} />
    <${Loaded} of=${queue}>${({ items, total }) => (items.length ? html`<section class="panel flush"><div class="scroll-x"><table class="rows" aria-label="Queue">
      <thead><tr><th class="num">#</th><th>What</th><th>Why it waits</th><th>Asks for</th><th class="num">Priority</th><th class="num">Waiting since</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${items.map((q) => html`<tr key=${q.execution_id} data-row class="row">
        <td class="num faint">${q.position}</td>
        <td class="col-title"><a class="row-link" href=${href(`/executions/${q.execution_id}`)}>${title({ id: q.execution_id, job_id: q.job_id })}</a></td>
        <td class="reason">${q.reason}</td><td><${Needs} needs=${q.requirements} /></td><td class="num">${q.priority}</td><td class="num"><${Age} time=${q.created_at} /></td>
        <td class="col-act"><a class="button ghost" href=${href('/why', { execution_id: q.execution_id })}>Why</a>
          <button type="button" class="ghost" aria-label=${`Cancel ${q.execution_id}`} title="Cancel" onClick=${() => cancel(q.execution_id, 'It', queue.reload)}>${icons.close()}</button></td>
      </tr>`)}</tbody></table></div></section>${total > items.length && html`<p class="more">and ${number(total - items.length)} more</p>`}`
    : html`<${Empty} title="Nothing waits" text="Every execution has found a worker. To see what the queue looks like:" command="hodei queue --watch" />`)}</${Loaded}>`;
}
