// @ts-check
// One execution: how it stands, where the time went, where it ran, its
// attempts, and its log.
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { create, get, newKey } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { jobName, pipelineName, title, workerName } from '../lib/names.js';
import { go, href } from '../lib/router.js';
import { useKeys } from '../lib/keys.js';
import { bytes, commandText, dateTime, duration, percent, shortId } from '../lib/format.js';
import { Age, Button, Copy, Elapsed, Facts, Loaded } from '../parts/basics.js';
import { attempt, confirm } from '../parts/dialog.js';
import { outcome } from '../parts/executions.js';
import { icons } from '../parts/icons.js';
import { Shape, Status, say } from '../parts/status.js';
import { Waterfall } from '../parts/waterfall.js';
import { LogViewer } from '../log/viewer.js';
import { Environment, specFacts } from './job.js';
import { cancel } from './queue.js';

/** The attempts before and after an execution, oldest first. */
async function attempts(e, signal) {
  const chain = [e];
  for (let first = e; first.retry_of && chain.length < 20;) {
    first = await get(`/executions/${first.retry_of}`, {}, signal);
    chain.unshift(first);
  }
  for (let last = e; chain.length < 40;) {
    const next = (await get('/executions', { retry_of: last.id, limit: 1 }, signal)).items[0];
    if (!next) break;
    chain.push(last = next);
  }
  return chain;
}

function Attempts({ execution }) {
  const chain = useLoad((signal) => attempts(execution, signal), [execution.id, execution.status], {
    on: ({ kind, data }) => kind === 'execution' && data.execution.retry_of !== null,
  });
  if (!chain.data || chain.data.length < 2) return null;
  return html`<nav class="attempts" aria-label="Attempts">${chain.data.map((e) => html`<a key=${e.id} href=${href(`/executions/${e.id}`)}
    aria-current=${e.id === execution.id ? 'page' : undefined}><${Shape} status=${e.status} label=${say(e.status)} />Attempt ${e.attempt}</a>`)}</nav>`;
}

/** What it used of its machine, as far as the worker could tell. */
export function resourceFacts(r) {
  if (!r) return [];
  return [
    (r.cpu_seconds ?? r.cpu_user_seconds) !== undefined && ['CPU', duration(r.cpu_seconds ?? (r.cpu_user_seconds + (r.cpu_system_seconds ?? 0)))],
    r.cpu_share !== undefined && ['CPU share', percent(r.cpu_share)],
    (r.max_rss_bytes ?? r.memory_peak_bytes ?? r.max_memory_bytes) !== undefined && ['Memory, at most', bytes(r.max_rss_bytes ?? r.memory_peak_bytes ?? r.max_memory_bytes)],
  ];
}

function Waiting({ execution }) {
  const plan = useLoad(async (signal) => (await get('/queue', { limit: 1000 }, signal)).items.find((q) => q.execution_id === execution.id) ?? null, [execution.id], { on: () => true, every: 1500 });
  if (execution.retry_at && Date.parse(execution.retry_at) > Date.now()) return html`<p class="waiting">It is tried again at ${dateTime(execution.retry_at)}.</p>`;
  return html`<p class="waiting" role="status">${plan.data ? html`Number ${plan.data.position} in the queue: <b>${plan.data.reason}</b>. ` : 'It waits for a worker. '}
    <a class="link" href=${href('/why', { execution_id: execution.id })}>What each worker was thought of</a></p>`;
}

function Details({ e }) {
  return html`<div class="details">
    <${Waterfall} execution=${e} />
    <${Facts} items=${[
    ['Worker', e.worker_id ? html`<a href=${href(`/workers/${e.worker_id}`)}>${workerName(e.worker_id)}</a> <span class="faint">${e.worker_type}</span>` : html`<span class="faint">none yet</span>`],
    ['Created', html`<span title=${dateTime(e.created_at)}><${Age} time=${e.created_at} /></span>`],
    e.completed_at && ['Ended', html`<${Age} time=${e.completed_at} />`],
    e.exit_code !== null && ['Exit code', html`<span class="mono">${e.exit_code}</span>`],
    e.signal && ['Signal', html`<span class="mono">${e.signal}</span>`],
    ...resourceFacts(e.resources),
    ...specFacts(e),
    ['Id', html`<span class="mono id">${e.id}</span><${Copy} text=${e.id} what="the id" />`],
  ]} />
    <details class="environment"><summary>Command</summary><pre class="script" tabindex="0">${commandText(e.command)}</pre></details>
    <${Environment} of=${e.environment} /></div>`;
}

export function Execution({ id }) {
  const load = useLoad((signal) => get(`/executions/${id}`, {}, signal), [id]);
  const [open, setOpen] = useState(() => localStorage.getItem('hodei.details') !== 'false');
  useEvents(({ kind, data }) => {
    if (kind === 'execution' && data.execution.id === id) load.set((old) => (old.completed_at ? old : { ...data.execution, resources: data.execution.resources ?? old.resources }));
  });
  const e = load.data;
  const live = e && !e.completed_at;
  const name = e ? title(e) : 'Execution';
  useTitle(e ? `${say(e.status)}: ${name}` : name);
  useIcon(e?.status);
  const again = async () => {
    const made = await attempt(() => create(`/executions/${id}/retry`, undefined, newKey()));
    if (made) go(href(`/executions/${made.id}`));
  };
  const askAgain = () => confirm({ title: 'Run it again?', text: 'A new execution of the same command begins.', yes: 'Retry', danger: false, act: again });
  const stop = () => cancel(id, name, load.reload);
  const turn = () => setOpen((was) => { localStorage.setItem('hodei.details', String(!was)); return !was; });
  useKeys({
    x: { what: 'Cancel, or retry what has ended', run: () => (live ? stop() : askAgain()) },
    d: { what: 'Show or hide the details', run: turn },
    y: { what: 'Why this worker', run: () => go(href('/why', { execution_id: id })) },
  });
  return html`<${Loaded} of=${load}>${() => html`<div class="execution">
    <header class="head">
      <div class="head-text"><div class="crumbs"><a href=${href('/executions')}>Executions</a>
          ${e.pipeline_id && html`<span aria-hidden="true">/</span><a href=${href(`/pipelines/${e.pipeline_id}`)}>${pipelineName(e.pipeline_id)}</a>`}
          ${e.job_id && jobName(e.job_id) && html`<span aria-hidden="true">/</span><a href=${href(`/jobs/${e.job_id}`)}>${jobName(e.job_id)}</a>`}</div>
        <h1 class=${e.job_id ? '' : 'mono'}>${name}</h1>
        <p class="sub execution-sub"><${Status} status=${e.status} /><span class="outcome">${outcome(e)}</span><span class="num"><${Elapsed} from=${e.started_at ?? e.created_at} to=${e.completed_at} /></span>
          <span class="mono faint" title=${e.id}>${shortId(e.id)}</span></p></div>
      <div class="actions"><button type="button" class="ghost" aria-expanded=${open} onClick=${turn}>Details</button><a class="button" href=${href('/why', { execution_id: id })}>${icons.why()}Why</a>
        ${live ? html`<button type="button" class="danger" disabled=${e.cancel_requested_at !== null} onClick=${stop}>${icons.stop()}${e.cancel_requested_at ? 'Cancelling' : 'Cancel'}</button>`
    : html`<${Button} cls="primary" icon="retry" onClick=${again}>Retry</${Button}>`}</div>
    </header>
    <${Attempts} execution=${e} />
    ${e.status === 'PENDING' && html`<${Waiting} execution=${e} />`}
    ${open && html`<${Details} e=${e} />`}
    <${LogViewer} key=${id} execution=${e} onEnd=${load.reload} /></div>`}</${Loaded}>`;
}

const fills = { RUNNING: '#2f6fe4', COMPLETED: '#1a8f4b', FAILED: '#d3343b', TIMED_OUT: '#c4581a', PENDING: '#9a7410', CANCELLED: '#6b7280' };

/** The tab's icon has the colour of the state while the execution is shown. */
function useIcon(status) {
  useEffect(() => {
    const icon = /** @type {HTMLLinkElement} */ (document.getElementById('icon'));
    const plain = icon.href;
    if (status) icon.href = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${fills[status]}"/><path d="M10.5 22.5a4.75 4.75 0 0 1-.7-9.45 6.6 6.6 0 0 1 12.75 1.5 4 4 0 0 1-.55 7.95z" fill="#fff"/></svg>`)}`;
    return () => { icon.href = plain; };
  }, [status]);
}
