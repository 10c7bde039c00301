// @ts-check
// One worker and its executions.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { useExecutions, withReport } from '../lib/lists.js';
import { learn } from '../lib/names.js';
import { href } from '../lib/router.js';
import { dateTime, duration, percent, shortId } from '../lib/format.js';
import { Age, Copy, Empty, Facts, Head, Labels, Loaded, Panel } from '../parts/basics.js';
import { ExecutionTable, More } from '../parts/executions.js';
import { Status } from '../parts/status.js';
import { Actions, Slots } from '../parts/worker.js';

export function Worker({ id }) {
  const load = useLoad(async (signal) => {
    const w = await get(`/workers/${id}`, {}, signal);
    learn('workers', [w]);
    return w;
  }, [id], { on: ({ kind, data }) => kind === 'worker' && data.worker_id === id && !data.availability, every: 2000 });
  const past = useExecutions({ worker_id: id });
  useEvents(({ kind, data }) => {
    if (kind === 'worker' && data.worker_id === id && data.availability) load.change((w) => withReport(w, data.availability));
  });
  const w = load.data;
  const name = w?.name ?? shortId(id);
  useTitle(name);
  return html`<${Loaded} of=${load}>${() => html`
    <${Head} title=${name} sub=${html`<${Status} status=${w.status} />${w.cordoned && html` <span class="label">cordoned</span>`}`} above=${html`<a href=${href('/workers')}>Workers</a>`}><${Actions} worker=${w} reload=${load.reload} /></${Head}>
    <${Panel} cls="spec"><${Slots} worker=${w} /><${Facts} items=${[
    ['Type', html`<span class="label strong">${w.type}</span>`],
    w.dedicated && ['Dedicated', 'only executions that name its type'],
    Object.keys(w.labels ?? {}).length > 0 && ['Labels', html`<${Labels} labels=${w.labels} />`],
    ['Last seen', w.last_seen_at ? html`<${Age} time=${w.last_seen_at} />` : 'never'],
    w.load !== undefined && ['Load', `${w.load.toFixed(2)} per core`],
    ['Ack latency', duration(w.ack_latency_seconds)],
    ['Success rate', percent(w.success_rate)],
    ['Registered', dateTime(w.registered_at)],
    ['Version', w.version ?? '–'],
    ['Id', html`<span class="mono id">${w.id}</span><${Copy} text=${w.id} what="the id" />`],
  ]} /></${Panel}>
    <${Panel} title="Executions" cls="flush"><${Loaded} of=${past}>${({ items }) => (items.length ? html`<${ExecutionTable} items=${items} of="worker" /><${More} list=${past} />` : html`<${Empty} title="No runs yet" />`)}</${Loaded}></${Panel}>`}</${Loaded}>`;
}
