// @ts-check
// One execution: its state, why it waits or ended, its phases, its worker and
// resources, its attempts, and its log.
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { create, get, newKey } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { jobName, pipelineName, title, workerName } from '../lib/names.js';
import { go, href } from '../lib/router.js';
import { may } from '../lib/me.js';
import { useKeys } from '../lib/keys.js';
import { bytes, dateTime, duration, moment, shortId } from '../lib/format.js';
import { Age, Button, Copy, Elapsed, Facts, Loaded } from '../parts/basics.js';
import { Attempts } from '../parts/attempts.js';
import { attempt, confirm } from '../parts/dialog.js';
import { icons } from '../parts/icons.js';
import { ending, outcome } from '../parts/outcome.js';
import { cancel, withdraw } from '../parts/run.js';
import { Environment, Script, specFacts } from '../parts/spec.js';
import { Status, statusLabel, tone } from '../parts/status.js';
import { Waiting } from '../parts/waiting.js';
import { Waterfall } from '../parts/waterfall.js';
import { LogViewer } from '../log/viewer.js';

/** The resources that it used. */
function resources(r, seconds) {
  if (!r) return [];
  const cpu = r.user_cpu_seconds + r.system_cpu_seconds;
  return [
    ['Peak memory', html`<span title="The largest of any one process">${bytes(r.peak_memory_bytes)}</span>`],
    ['CPU time', `${duration(cpu)} (${duration(r.user_cpu_seconds)} user, ${duration(r.system_cpu_seconds)} system)`],
    seconds > 0 && ['Average CPU', (cpu / seconds).toFixed(2)],
  ];
}

/** Why it ended as it did, and its retry. */
function Ending({ e, reload }) {
  const text = ending(e);
  if (!text && !e.retry_at) return null;
  return html`<div class="ending tone-${tone(e.status)}"><p>${text}</p>
    ${e.retry_at && html`<p>Attempt ${e.attempt + 1} of ${e.retries.max + 1} starts at <time datetime=${e.retry_at} title=${dateTime(e.retry_at)}>${moment(e.retry_at)}</time>.</p>
      ${may('developer') && html`<button type="button" onClick=${() => withdraw(e, reload)}>Cancel retry</button>`}`}</div>`;
}

function Details({ e }) {
  return html`<div class="details">
    <${Waterfall} execution=${e} />
    <${Facts} items=${[
    ['Worker', e.worker_id ? html`<a href=${href(`/workers/${e.worker_id}`)}>${workerName(e.worker_id)}</a> <span class="faint">${e.worker_type}</span>` : html`<span class="faint">none yet</span>`],
    ['Created', html`<span title=${dateTime(e.created_at)}><${Age} time=${e.created_at} /></span>`],
    e.completed_at && ['Ended', html`<${Age} time=${e.completed_at} />`],
    e.started_by && ['Started by', e.started_by],
    e.cancel_requested_at && ['Cancel requested', html`<${Age} time=${e.cancel_requested_at} />${e.cancelled_by && ` by ${e.cancelled_by}`}`],
    e.exit_code !== null && ['Exit code', html`<span class="mono">${e.exit_code}</span>`],
    e.signal && ['Signal', html`<span class="mono">${e.signal}</span>`],
    ...resources(e.resources, e.duration_seconds),
    e.retries?.max > 0 && ['Attempt', `${e.attempt} of ${Math.max(e.attempt, e.retries.max + 1)}`],
    e.retry_of && ['Retry of', html`<a class="mono link" href=${href(`/executions/${e.retry_of}`)}>${shortId(e.retry_of)}</a>`],
    e.secret_versions && ['Secrets', html`<code>${Object.entries(e.secret_versions).map(([name, version]) => `${name} v${version}`).join(', ')}</code>`],
    ['Id', html`<span class="mono id">${e.id}</span><${Copy} text=${e.id} what="the id" />`],
  ]} />
    <${Facts} items=${specFacts(e)} />
    <details class="environment"><summary>Command</summary><${Script} of=${e.command} /></details>
    <${Environment} of=${e.environment} /></div>`;
}

export function Execution({ id }) {
  const load = useLoad((signal) => get(`/executions/${id}`, {}, signal), [id]);
  const [open, setOpen] = useState(() => localStorage.getItem('hodei.details') !== 'false');
  useEvents(({ kind, data }) => {
    if (kind !== 'execution') return;
    const e = data.execution;
    if (e.id === id) load.change((old) => (old.completed_at && !e.completed_at ? old : { ...e, environment: old.environment })); // an end is final, and events have no environment
    else if (e.retry_of === id) load.change((old) => ({ ...old, retry_at: null }));
  });
  const e = load.data;
  const live = e && !e.completed_at;
  const name = e ? title(e) : 'Execution';
  useTitle(e ? `${statusLabel(e.status)}: ${name}` : name);
  useIcon(e?.status);
  const again = async () => {
    const made = await attempt(() => create(`/executions/${id}/retry`, undefined, newKey()));
    if (made) go(href(`/executions/${made.id}`));
  };
  const askAgain = () => confirm({ title: 'Run again?', text: 'This starts a new execution of the same command.', yes: 'Run again', danger: false, act: again });
  const stop = () => cancel(id, name, load.reload);
  const turn = () => setOpen((was) => { localStorage.setItem('hodei.details', String(!was)); return !was; });
  useKeys({
    x: { what: 'Cancel, or run again', role: 'developer', run: () => (live ? stop() : e?.retry_at ? withdraw(e, load.reload) : askAgain()) },
    d: { what: 'Show or hide the details', run: turn },
    y: { what: 'Placement', role: 'developer', run: () => go(href('/why', { execution_id: id })) },
  });
  return html`<${Loaded} of=${load}>${() => html`<div class="execution">
    <header class="head">
      <div class="head-text"><div class="crumbs"><a href=${href('/executions')}>Executions</a>
          ${e.pipeline_id && html`<span aria-hidden="true">/</span><a href=${href(`/pipelines/${e.pipeline_id}`)}>${pipelineName(e.pipeline_id)}</a>`}
          ${e.job_id && jobName(e.job_id) && html`<span aria-hidden="true">/</span><a href=${href(`/jobs/${e.job_id}`)}>${jobName(e.job_id)}</a>`}</div>
        <h1 class=${e.job_id ? '' : 'mono'}>${name}</h1>
        <p class="sub execution-sub"><${Status} status=${e.status} /><span class="outcome">${outcome(e)}</span><span class="num"><${Elapsed} from=${e.started_at ?? e.created_at} to=${e.completed_at} /></span>
          <span class="mono faint" title=${e.id}>${shortId(e.id)}</span></p></div>
      <div class="actions"><button type="button" class="ghost" aria-expanded=${open} onClick=${turn}>Details</button>${may('developer') && html`<a class="button" href=${href('/why', { execution_id: id })}>${icons.why()}Placement</a>
        ${live ? html`<button type="button" class="danger" disabled=${e.cancel_requested_at !== null} onClick=${stop}>${icons.stop()}${e.cancel_requested_at ? 'Cancelling' : 'Cancel'}</button>`
    : html`<${Button} cls="primary" icon="retry" onClick=${again}>Run again</${Button}>`}`}</div>
    </header>
    <${Attempts} execution=${e} />
    ${e.status === 'PENDING' && html`<${Waiting} execution=${e} />`}
    <${Ending} e=${e} reload=${load.reload} />
    ${open && html`<${Details} e=${e} />`}
    <${LogViewer} key=${id} execution=${e} onEnd=${load.reload} /></div>`}</${Loaded}>`;
}

const fills = { RUNNING: '#2f6fe4', COMPLETED: '#1a8f4b', FAILED: '#d3343b', TIMED_OUT: '#c4581a', PENDING: '#9a7410', CANCELLED: '#6b7280' };

/** Gives the tab's icon the colour of the state. */
function useIcon(status) {
  useEffect(() => {
    const icon = /** @type {HTMLLinkElement} */ (document.getElementById('icon'));
    const plain = icon.href;
    if (status) icon.href = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${fills[status]}"/><path d="M10.5 22.5a4.75 4.75 0 0 1-.7-9.45 6.6 6.6 0 0 1 12.75 1.5 4 4 0 0 1-.55 7.95z" fill="#fff"/></svg>`)}`;
    return () => { icon.href = plain; };
  }, [status]);
}
