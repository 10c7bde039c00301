// @ts-check
// The overview: the fleet, the queue, running executions, and the last hour.
import { html } from 'htm/preact';
import { all, get } from '../lib/api.js';
import { useEnded, useRunning, useWorkers } from '../lib/lists.js';
import { useLoad, useTitle } from '../lib/use.js';
import { learn, title } from '../lib/names.js';
import { duration, number, plural } from '../lib/format.js';
import { href } from '../lib/router.js';
import { Age, Empty, Head, Loaded, Panel } from '../parts/basics.js';
import { ExecutionTable } from '../parts/executions.js';
import { Throughput } from '../parts/throughput.js';
import { Fleet } from '../parts/fleet.js';
import { Reason } from '../parts/needs.js';

const SHOWN = 500; // rows of what runs
const MINUTE = 60_000;

const spread = (q) => (q ? `p50 · p95 ${duration(q.p95)}` : 'last hour');

function Tiles({ stats }) {
  const rate = stats.completed + stats.failed + stats.timed_out;
  const tiles = [
    ['Running', number(stats.running), stats.running ? 'run' : '', '/executions?status=RUNNING'],
    ['Queued', number(stats.pending), stats.pending ? 'wait' : '', '/queue'],
    ['Completed', number(stats.completed), '', '/executions?status=COMPLETED', 'last hour'],
    ['Failed', number(stats.failed + stats.timed_out), stats.failed + stats.timed_out ? 'fail' : '', '/executions?status=FAILED',
      rate ? `${((100 * (stats.failed + stats.timed_out)) / rate).toFixed(1)}% failure rate` : 'last hour'],
    ['Queue time', duration(stats.queued_seconds?.p50), '', '', spread(stats.queued_seconds)],
    ['Duration', duration(stats.duration_seconds?.p50), '', '', spread(stats.duration_seconds)],
  ];
  return html`<div class="tiles">${tiles.map(([name, value, tone, to, sub]) => {
    const body = html`<span class="tile-name">${name}</span><span class="tile-value ${tone && `tone-${tone}`}">${value}</span><span class="tile-sub">${sub ?? 'now'}</span>`;
    return to ? html`<a key=${name} class="tile" href=${`/ui${to}`}>${body}</a>` : html`<div key=${name} class="tile">${body}</div>`;
  })}</div>`;
}

// Each panel loads its own data, so that an event of a worker does not render
// five hundred rows.

function FleetPanel() {
  const workers = useWorkers();
  return html`<${Panel} title="Fleet" aside=${html`<a href=${href('/workers')}>All workers</a>`}>
    <${Loaded} of=${workers}>${(list) => html`<${Fleet} workers=${list} />`}</${Loaded}></${Panel}>`;
}

const Wait = ({ q }) => html`<li data-row><span class="num faint">${q.position}</span>
  <a class="row-link" href=${href(`/executions/${q.execution_id}`)}>${title({ id: q.execution_id, job_id: q.job_id })}</a>
  <${Reason} of=${q} /><span class="num faint"><${Age} time=${q.created_at} /></span></li>`;

function QueuePanel() {
  const queue = useLoad((signal) => get('/queue', { limit: 6 }, signal), [], { on: () => true, every: 2000 });
  return html`<${Panel} title="Queue" aside=${html`<a href=${href('/queue')}>View queue</a>`}>
    <${Loaded} of=${queue}>${({ items, total }) => (items.length ? html`<ul class="waits">${items.map((q) => html`<${Wait} key=${q.execution_id} q=${q} />`)}</ul>
      ${total > items.length && html`<p class="more"><a href=${href('/queue')}>and ${number(total - items.length)} more</a></p>`}`
    : html`<p class="quiet">Queue is empty</p>`)}</${Loaded}></${Panel}>`;
}

function RunningPanel() {
  const running = useRunning();
  return html`<${Panel} title="Running now" aside=${running.data && html`<span class="faint">${plural(running.data.length, 'execution')}</span>`}>
    <${Loaded} of=${running}>${(list) => (list.length ? html`<${ExecutionTable} items=${list.slice(0, SHOWN)} label="Running now" />
      ${list.length > SHOWN && html`<p class="more"><a href=${href('/executions', { status: 'RUNNING' })}>and more</a></p>`}` : html`<p class="quiet">Nothing running</p>`)}</${Loaded}></${Panel}>`;
}

function EndedPanel() {
  const ended = useEnded(8);
  return html`<${Panel} title="Recently finished" aside=${html`<a href=${href('/executions')}>All executions</a>`}>
    <${Loaded} of=${ended}>${(list) => (list.length ? html`<${ExecutionTable} items=${list} label="Recently finished" />`
    : html`<${Empty} title="Nothing has run yet" text="Run a command on the fleet:" command="hodei exec -- echo hello" />`)}</${Loaded}></${Panel}>`;
}

export function Overview() {
  const stats = useLoad((signal) => get('/stats', {}, signal), [], {
    on: ({ kind }) => kind === 'execution' || Date.now() > Date.parse(stats.data?.taken_at) + MINUTE, // the hour moves on without events
    every: 1500, age: 1000,
  });
  useLoad(async (signal) => learn('jobs', await all('/jobs', {}, signal)), []);
  const s = stats.data;
  useTitle(s ? [s.running && `${s.running} running`, s.pending && `${s.pending} queued`].filter(Boolean).join(', ') || 'Idle' : 'Overview');
  return html`<${Head} title="Overview" />
    <${Loaded} of=${stats}>${(data) => html`<${Tiles} stats=${data} />
      <${Panel} title="Last hour" cls="chart-panel"><${Throughput} stats=${data} /></${Panel}>`}</${Loaded}>
    <div class="columns"><${FleetPanel} /><${QueuePanel} /></div>
    <${RunningPanel} /><${EndedPanel} />`;
}
