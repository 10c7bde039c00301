// @ts-check
// Notifications as rows: each message with its target, its state and its last error.
import { html } from 'htm/preact';
import { post } from '../lib/api.js';
import { plural } from '../lib/format.js';
import { useNotifications } from '../lib/hooks.js';
import { may } from '../lib/me.js';
import { href } from '../lib/router.js';
import { Age, Button, Panel } from './basics.js';
import { attempt } from './dialog.js';
import { Status } from './status.js';

const again = (n, reload) => attempt(async () => { await post(`/notifications/${n.id}/redeliver`); reload(); });

const act = (n) => (n.status === 'PENDING' ? 'Retry now' : 'Deliver again');

const Row = ({ item: n, reload }) => html`<tr data-row class="row">
  <td class="col-title">${n.run_id ? html`<a class="row-link" href=${href(`/runs/${n.run_id}`)}>${n.event}</a>` : n.event}<div class="under"><span>${n.kind}</span><span>${n.target}</span></div></td>
  <td><${Status} status=${n.status} />${n.error && n.status !== 'DELIVERED' && html`<div class="under"><span>${n.error}</span></div>`}</td>
  <td class="wide faint">${plural(n.attempts, 'attempt')}${n.status === 'PENDING' && n.attempts > 0 && html`, next <${Age} time=${n.next_at} />`}</td>
  <td class="num wide"><${Age} time=${n.created_at} /></td>
  <td class="col-act">${may('operator') && html`<${Button} cls="ghost" icon="retry" onClick=${() => again(n, reload)} aria-label=${`${act(n)}: ${n.event} to ${n.target}`}>${act(n)}</${Button}>`}</td></tr>`;

export const NotificationTable = ({ items, reload }) => html`<div class="scroll-x"><table class="rows" aria-label="Notifications">
  <thead><tr><th>Message</th><th>State</th><th class="wide">Attempts</th><th class="num wide">Created</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
  <tbody>${items.map((n) => html`<${Row} key=${n.id} item=${n} reload=${reload} />`)}</tbody></table></div>`;

/** The notifications of a run, if it has any. */
export function RunNotifications({ id }) {
  const list = useNotifications({ run_id: id });
  return list.data?.length > 0 && html`<${Panel} title="Notifications" cls="flush"><${NotificationTable} items=${list.data} reload=${list.reload} /></${Panel}>`;
}

const LAST = 5; // notifications of a pipeline

/** The last notifications of a pipeline, if it has any. */
export function PipelineNotifications({ id }) {
  const list = useNotifications({ pipeline_id: id });
  return list.data?.length > 0 && html`<${Panel} title="Notifications" cls="flush" aside=${html`<a href=${href('/notifications', { pipeline_id: id })}>All</a>`}>
    <${NotificationTable} items=${list.data.slice(0, LAST)} reload=${list.reload} /></${Panel}>`;
}
