// @ts-check
// Hooks as rows, and their deliveries with what one may do about each.
import { html } from 'htm/preact';
import { create, newKey, post } from '../lib/api.js';
import { words } from '../lib/format.js';
import { hookName, starts, useHooks } from '../lib/hooks.js';
import { may } from '../lib/me.js';
import { go, href } from '../lib/router.js';
import { Age, Button, Panel } from './basics.js';
import { attempt, confirm } from './dialog.js';
import { Status } from './status.js';

const Row = ({ hook: h }) => html`<tr data-row class="row">
  <td class="col-title"><a class="row-link" href=${href(`/hooks/${h.id}`)}>${hookName(h)}</a>
    <div class="under"><span>${starts(h)}</span>${h.defined && html`<span>in the definition</span>`}</div></td>
  <td><a href=${href(`/pipelines/${h.pipeline_id}`)}>${h.pipeline ?? 'pipeline'}</a></td>
  <td class="wide"><code>${h.secret}</code></td>
  <td class="num">${h.refused_at ? html`<${Age} time=${h.refused_at} />` : html`<span class="faint">never</span>`}</td></tr>`;

export const HookTable = ({ items }) => html`<div class="scroll-x"><table class="rows" aria-label="Hooks">
  <thead><tr><th>Hook</th><th>Pipeline</th><th class="wide">Secret</th><th class="num">Refused</th></tr></thead>
  <tbody>${items.map((h) => html`<${Row} key=${h.id} hook=${h} />`)}</tbody></table></div>`;

/** The hooks of a pipeline, if it has any. */
export function PipelineHooks({ id }) {
  const list = useHooks({ pipeline_id: id });
  return list.data?.length > 0 && html`<${Panel} title="Hooks" cls="flush"><${HookTable} items=${list.data} /></${Panel}>`;
}

const at = (d) => `/hooks/${d.hook_id}/deliveries/${d.id}`;

/** Receives the event again, as the hook is now, and shows the run. */
async function redeliver(d, reload) {
  const made = await attempt(() => create(`${at(d)}/redeliver`, undefined, newKey()));
  if (made?.run_id) go(href(`/runs/${made.run_id}`));
  else reload();
}

const approve = (d) => confirm({
  title: 'Run this pull request?', text: 'It is from a fork. Its run receives the secrets of the pipeline.', yes: 'Approve', danger: false,
  act: async () => { const made = await post(`${at(d)}/approve`); go(href(`/runs/${made.run_id}`)); },
});

const reject = (d, reload) => attempt(async () => { await post(`${at(d)}/reject`); reload(); });

const Actions = ({ delivery: d, reload }) => html`
  ${d.status === 'BLOCKED' && may('operator') && html`<${Button} cls="primary" onClick=${() => approve(d)} aria-label=${`Approve ${d.ref}`}>Approve</${Button}>
    <${Button} cls="ghost" onClick=${() => reject(d, reload)} aria-label=${`Reject ${d.ref}`}>Reject</${Button}>`}
  ${d.status !== 'PENDING' && may('admin') && html`<${Button} cls="ghost" icon="retry" onClick=${() => redeliver(d, reload)} aria-label=${`Redeliver ${d.event} ${d.ref ?? ''}`}>Redeliver</${Button}>`}`;

/** What became of a delivery. */
const Outcome = ({ delivery: d }) => html`<${Status} status=${d.status} />${d.run_number && html` <a href=${href(`/runs/${d.run_id}`)}>#${d.run_number}</a>`}
  ${d.reason && html`<div class="under"><span class="label">${words(d.reason)}</span>${d.message && html`<span>${d.message}</span>`}</div>`}`;

export const DeliveryTable = ({ items, reload }) => html`<div class="scroll-x"><table class="rows" aria-label="Deliveries">
  <thead><tr><th>Event</th><th>Outcome</th><th class="num wide">Received</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
  <tbody>${items.map((d) => html`<tr data-row class="row" key=${d.id}>
    <td class="col-title">${d.event || 'event'} ${d.ref && html`<code>${d.ref}</code>`}<div class="under">${d.sender && html`<span>by ${d.sender}</span>`}${d.commit && html`<code title=${d.commit}>${d.commit.slice(0, 8)}</code>`}${d.redelivery_of && html`<span>redelivered</span>`}</div></td>
    <td><${Outcome} delivery=${d} /></td><td class="num wide"><${Age} time=${d.received_at} /></td>
    <td class="col-act"><${Actions} delivery=${d} reload=${reload} /></td></tr>`)}</tbody></table></div>`;
