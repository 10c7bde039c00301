// @ts-check
// The workers that have joined with a token: who waits for an approval, and who may connect.
import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';
import { post } from '../lib/api.js';
import { useWorkers } from '../lib/lists.js';
import { may } from '../lib/me.js';
import { useWorkerKeys, waits } from '../lib/worker-keys.js';
import { href, place, setQuery } from '../lib/router.js';
import { shortId } from '../lib/format.js';
import { useTitle } from '../lib/use.js';
import { Age, Button, Choices, Empty, Head, Loaded } from '../parts/basics.js';
import { attempt, confirm } from '../parts/dialog.js';

const AGAIN = 5000; // ms between two readings: no event announces a worker that waits
const states = [['', 'All', () => true], ['waiting', 'Waiting', waits], ['approved', 'Approved', (k) => k.approved_at && !k.revoked_at], ['revoked', 'Revoked', (k) => !!k.revoked_at]];

/** The name of the worker once it has registered, or that of its connection unless that only repeats the id. */
const nameOf = (k) => k.worker?.name ?? (k.name && !k.name.includes(k.worker_id) ? k.name : shortId(k.worker_id));
const shortKey = (key) => (key.length > 12 ? `${key.slice(0, 12)}…` : key);

function State({ of: k }) {
  if (k.revoked_at) return html`<span class="label">Revoked</span> <${Age} time=${k.revoked_at} />`;
  if (!k.approved_at) return html`<span class="label strong">Waits for approval</span>`;
  return html`Approved${k.approved_by && ` by ${k.approved_by}`} <span class="faint"><${Age} time=${k.approved_at} /></span>`;
}

function Actions({ of: k, reload }) {
  const approve = () => attempt(() => post(`/workers/${k.worker_id}/approve`), `${nameOf(k)} may connect`).then(reload);
  const revoke = () => confirm({
    title: `Revoke ${nameOf(k)}?`, text: 'It loses its connection to NATS within seconds, and its key is refused for ever.', yes: 'Revoke worker',
    act: async () => { await post(`/workers/${k.worker_id}/revoke`); reload(); },
  });
  if (!may('operator') || k.revoked_at) return null;
  return html`${waits(k) && html`<${Button} cls="primary" onClick=${approve} aria-label=${`Approve ${nameOf(k)}`}>Approve</${Button}>`}
    <button type="button" class="ghost danger-text" onClick=${revoke} aria-label=${`Revoke ${nameOf(k)}`}>Revoke</button>`;
}

const Row = ({ of: k, reload }) => html`<tr data-row class="row">
  <td class="col-title">${k.worker ? html`<a class="row-link" href=${href(`/workers/${k.worker_id}`)}>${nameOf(k)}</a>` : nameOf(k)}
    <div class="under"><code>${k.worker_id}</code></div></td>
  <td class="wide"><code title=${k.public_key}>${shortKey(k.public_key)}</code></td><td class="mono wide">${k.address}</td>
  <td class="num"><${Age} time=${k.joined_at} /></td><td><${State} of=${k} /></td>
  <td class="col-act"><${Actions} of=${k} reload=${reload} /></td></tr>`;

const Table = ({ keys, reload }) => html`<section class="panel flush"><div class="scroll-x"><table class="rows" aria-label="Workers that joined">
  <thead><tr><th>Worker</th><th class="wide">Key</th><th class="wide">From</th><th class="num">Joined</th><th>State</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
  <tbody>${keys.map((k) => html`<${Row} key=${k.worker_id} of=${k} reload=${reload} />`)}</tbody></table></div></section>`;

export function WorkerKeys() {
  const list = useWorkerKeys();
  const registered = new Map((useWorkers().data ?? []).map((w) => [w.id, w]));
  const state = place.value.query.get('state') ?? '';
  useEffect(() => {
    const timer = setInterval(list.reload, AGAIN);
    return () => clearInterval(timer);
  }, []);
  useTitle('Workers that joined');
  return html`<${Head} title="Workers that joined" sub="With a token, each with a key of its own" above=${html`<a href=${href('/workers')}>Workers</a>`} />
    <${Loaded} of=${list}>${(keys) => {
    if (!keys.length) return html`<${Empty} title="No worker has joined" text="On a NATS with access control, workers join with a token:" command="hodei token create --name rack-1 --role worker" />`;
    const shown = keys.filter(states.find(([key]) => key === state)?.[2] ?? (() => true)).map((k) => ({ ...k, worker: registered.get(k.worker_id) }));
    return html`<div class="toolbar"><${Choices} label="State" options=${states.map(([key, text, of]) => [key, text, keys.filter(of).length])} value=${state} onChange=${(value) => setQuery({ state: value })} /></div>
      ${shown.length ? html`<${Table} keys=${shown} reload=${list.reload} />` : html`<${Empty} title="No worker in this state" />`}`;
  }}</${Loaded}>`;
}
