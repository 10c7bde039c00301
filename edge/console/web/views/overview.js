// @ts-check
// Everything in one look: the fleet, the queue, what runs, and the last hour.
import { html } from 'htm/preact';
import { all, get } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { learn, title } from '../lib/names.js';
import { duration, number, plural } from '../lib/format.js';
import { href } from '../lib/router.js';
import { Age, Empty, Head, Loaded, Panel } from '../parts/basics.js';
import { ExecutionTable } from '../parts/executions.js';
import { Throughput } from '../parts/throughput.js';
import { Fleet } from '../parts/fleet.js';
import { Reason } from '../parts/needs.js';
import { useWorkers } from './workers.js';

const ended = (e) => e.completed_at !== null;

/** A list of executions kept up to date by events: those for which `fits` is true. */
function keep(list, e, fits, most) {
  const at = list.findIndex((x) => x.id === e.id);
  const rest = at < 0 ? list : [...list.slice(0, at), ...list.slice(at + 1)];
  if (!fits(e)) return at < 0 ? list : rest;
  if (at >= 0) return list.with(at, e);
  const before = list.findIndex((x) => x.id < e.id); // newest first
  return list.toSpliced(before < 0 ? list.length : before, 0, e).slice(0, most);
}

const spread = (q) => (q ? `median; 95% in ${duration(q.p95)}` : 'last hour');

function Tiles({ stats }) {
  const rate = stats.completed + stats.failed + stats.timed_out;
  const tiles = [
    ['Running', number(stats.running), stats.running ? 'run' : '', '/executions?status=RUNNING'],
    ['Queued', number(stats.pending), stats.pending ? 'wait' : '', '/queue'],
    ['Completed', number(stats.completed), '', '/executions?status=COMPLETED', 'last hour'],
    ['Failed', number(stats.failed + stats.timed_out), stats.failed + stats.timed_out ? 'fail' : '', '/executions?status=FAILED',
      rate ? `${((100 * (stats.failed + stats.timed_out)) / rate).toFixed(1)}% of the last hour` : 'last hour'],
    ['Time to start', duration(stats.queued_seconds?.p50), '', '', spread(stats.queued_seconds)],
    ['Time to run', duration(stats.duration_seconds?.p50), '', '', spread(stats.duration_seconds)],
  ];
  return html`<div class="tiles">${tiles.map(([name, value, tone, to, sub]) => {
    const body = html`<span class="tile-name">${name}</span><span class="tile-value ${tone && `tone-${tone}`}">${value}</span><span class="tile-sub">${sub ?? 'now'}</span>`;
    return to ? html`<a key=${name} class="tile" href=${`/ui${to}`}>${body}</a>` : html`<div key=${name} class="tile">${body}</div>`;
  })}</div>`;
}

function QueueHead({ queue }) {
  if (!queue.items.length) return html`<p class="quiet">Nothing waits.</p>`;
  return html`<ul class="waits">${queue.items.map((q) => html`<li key=${q.execution_id} data-row>
      <span class="num faint">${q.position}</span>
      <a class="row-link" href=${href(`/executions/${q.execution_id}`)}>${title({ id: q.execution_id, job_id: q.job_id })}</a>
      <${Reason} of=${q} /><span class="num faint"><${Age} time=${q.created_at} /></span></li>`)}</ul>
    ${queue.total > queue.items.length && html`<p class="more"><a href=${href('/queue')}>and ${number(queue.total - queue.items.length)} more</a></p>`}`;
}

export function Overview() {
  const happened = (event) => event.kind === 'execution';
  const stats = useLoad((signal) => get('/stats', {}, signal), [], { on: happened, every: 1500 });
  const queue = useLoad((signal) => get('/queue', { limit: 6 }, signal), [], { on: () => true, every: 2000 });
  const running = useLoad((signal) => all('/executions', { status: 'RUNNING' }, signal, 500), []);
  const recent = useLoad(async (signal) => (await get('/executions', { limit: 30 }, signal)).items.filter(ended).slice(0, 8), []);
  const jobs = useLoad(async (signal) => learn('jobs', await all('/jobs', {}, signal)), []);
  const workers = useWorkers();
  useEvents(({ kind, data }) => {
    if (kind !== 'execution') return;
    running.set((list) => keep(list, data.execution, (e) => e.status === 'RUNNING', 500));
    recent.set((list) => keep(list, data.execution, ended, 8));
  });
  const now = stats.data;
  useTitle(now ? [now.running && `${now.running} running`, now.pending && `${now.pending} queued`].filter(Boolean).join(', ') || 'Idle' : 'Overview');
  const never = recent.data?.length === 0 && running.data?.length === 0 && jobs.error === null;
  return html`<${Head} title="Overview" />
    <${Loaded} of=${stats}>${(data) => html`<${Tiles} stats=${data} />
      <${Panel} title="The last hour" cls="chart-panel"><${Throughput} stats=${data} /></${Panel}>`}</${Loaded}>
    <div class="columns">
      <${Panel} title="Fleet" aside=${html`<a href=${href('/workers')}>All workers</a>`}><${Loaded} of=${workers}>${(list) => html`<${Fleet} workers=${list} />`}</${Loaded}></${Panel}>
      <${Panel} title="Queue" aside=${html`<a href=${href('/queue')}>All that waits</a>`}><${Loaded} of=${queue}>${(data) => html`<${QueueHead} queue=${data} />`}</${Loaded}></${Panel}>
    </div>
    <${Panel} title="Running now" aside=${running.data && html`<span class="faint">${plural(running.data.length, 'execution')}</span>`}>
      <${Loaded} of=${running}>${(list) => (list.length ? html`<${ExecutionTable} items=${list} label="Running now" />`
    : never ? html`<${Empty} title="Nothing has run yet" text="Run a command on the fleet:" command="hodei exec -- echo hello" />`
      : html`<p class="quiet">Nothing runs.</p>`)}</${Loaded}>
    </${Panel}>
    ${recent.data?.length > 0 && html`<${Panel} title="Ended last" aside=${html`<a href=${href('/executions')}>All executions</a>`}><${ExecutionTable} items=${recent.data} label="Ended last" /></${Panel}>`}`;
}
