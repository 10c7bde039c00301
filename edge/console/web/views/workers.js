// @ts-check
// The fleet, one card per worker.
import { html } from 'htm/preact';
import { useRef } from 'preact/hooks';
import { useRunning, useWorkers } from '../lib/lists.js';
import { title } from '../lib/names.js';
import { href, place, setQuery } from '../lib/router.js';
import { duration, number, percent, shortId } from '../lib/format.js';
import { useTitle } from '../lib/use.js';
import { useWorkerKeys, waits } from '../lib/worker-keys.js';
import { Age, Choices, Empty, Head, Labels, Loaded } from '../parts/basics.js';
import { icons } from '../parts/icons.js';
import { memo } from '../parts/memo.js';
import { workerCommand } from '../parts/needs.js';
import { Status } from '../parts/status.js';
import { Actions, Slots } from '../parts/worker.js';

const states = [['', 'Active'], ['AVAILABLE', 'Available'], ['BUSY', 'Busy'], ['DRAINING', 'Draining'], ['OFFLINE', 'Offline'], ['TERMINATED', 'Terminated']];
const Card = memo(({ worker, runs, reload }) => html`<article data-row class="card worker">
  <div class="card-head"><a class="row-link" href=${href(`/workers/${worker.id}`)}>${worker.name ?? shortId(worker.id)}</a><${Status} status=${worker.status} /></div>
  <div class="card-labels"><span class="label strong">${worker.type}</span>${worker.cordoned && html`<span class="label">cordoned</span>`}${worker.dedicated && html`<span class="label">dedicated</span>`}<${Labels} labels=${worker.labels} /></div>
  <${Slots} worker=${worker} />
  <ul class="card-runs">${runs.slice(0, 3).map((e) => html`<li key=${e.id}><a href=${href(`/executions/${e.id}`)}>${title(e)}</a></li>`)}
    ${runs.length > 3 && html`<li><a class="faint" href=${href('/executions', { worker_id: worker.id, status: 'RUNNING' })}>and ${runs.length - 3} more</a></li>`}</ul>
  <dl class="card-facts"><div><dt>Last seen</dt><dd>${worker.last_seen_at ? html`<${Age} time=${worker.last_seen_at} />` : '–'}</dd></div>
    <div><dt>Ack latency</dt><dd>${duration(worker.ack_latency_seconds)}</dd></div>
    <div><dt>Success</dt><dd>${percent(worker.success_rate)}</dd></div></dl>
  <div class="card-foot"><${Actions} worker=${worker} reload=${reload} /></div></article>`);

const NONE = [];

/** Running executions by worker. The array of a worker is replaced only if it has changed. */
function useRuns() {
  const before = useRef(new Map());
  const by = Map.groupBy(useRunning().data ?? [], (e) => e.worker_id);
  for (const [id, runs] of by) {
    const old = before.current.get(id);
    if (old?.length === runs.length && old.every((e, i) => e === runs[i])) by.set(id, old);
  }
  before.current = by;
  return by;
}

/** Leads to the workers that have joined, if there are any. */
function Joined() {
  const keys = useWorkerKeys().data ?? [];
  const waiting = keys.filter(waits).length;
  if (!keys.length) return null;
  return html`<a class="button" href=${href('/workers/keys')}>${icons.tokens()}${waiting ? `${number(waiting)} waiting for approval` : 'Workers that joined'}</a>`;
}

export function Workers() {
  const list = useWorkers();
  const runs = useRuns();
  const status = place.value.query.get('status') ?? '';
  const type = place.value.query.get('type') ?? '';
  const here = list.data?.filter((w) => w.status !== 'TERMINATED' && w.status !== 'OFFLINE') ?? [];
  useTitle(list.data ? `${here.length} workers` : 'Workers');
  const used = here.reduce((n, w) => n + w.total_capacity - w.capacity, 0);
  const slots = here.reduce((n, w) => n + w.total_capacity, 0);
  const types = [...new Set(here.map((w) => w.type))].sort();
  return html`<${Head} title="Workers" sub=${list.data && slots ? `${number(used)} of ${number(slots)} slots used` : null}><${Joined} /></${Head}>
    <${Loaded} of=${list}>${(workers) => {
    const shown = workers.filter((w) => (status ? w.status === status : w.status !== 'TERMINATED') && (!type || w.type === type));
    const count = (key) => workers.filter((w) => (key ? w.status === key : w.status !== 'TERMINATED')).length;
    return html`<div class="toolbar"><${Choices} label="State" options=${states.map(([key, text]) => [key, text, count(key)])} value=${status} onChange=${(s) => setQuery({ status: s })} />
      ${(types.length > 1 || type) && html`<${Choices} label="Type" options=${[['', 'All types'], ...types.map((t) => [t, t])]} value=${type} onChange=${(t) => setQuery({ type: t })} />`}</div>
      ${shown.length ? html`<div class="cards">${shown.map((w) => html`<${Card} key=${w.id} worker=${w} runs=${runs.get(w.id) ?? NONE} reload=${list.reload} />`)}</div>`
    : workers.length && (status || type) ? html`<${Empty} title="No matching workers" command=${`hodei worker ls${status ? ` --status ${status}` : ''}`} />`
      : html`<${Empty} title="No active workers" text="Start one on any machine that reaches NATS:" command=${workerCommand()} />`}`;
  }}</${Loaded}>`;
}

