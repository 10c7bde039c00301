// @ts-check
// How the scheduler evaluates every worker, for an execution or for typed
// requirements, as a dry run.
import { html } from 'htm/preact';
import { get, post } from '../lib/api.js';
import { useLoad, useTitle } from '../lib/use.js';
import { title, workerName } from '../lib/names.js';
import { go, href, place } from '../lib/router.js';
import { number } from '../lib/format.js';
import { Command, Empty, Head, Loaded, Panel } from '../parts/basics.js';
import { Text, pairs } from '../parts/fields.js';
import { Needs, workerCommand } from '../parts/needs.js';
import { useQueueEntry } from '../parts/waiting.js';
import { Status } from '../parts/status.js';

const criteria = [['load', 'Free slots'], ['latency', 'Ack latency'], ['success', 'Success']];

const Score = ({ value, strong = false }) => html`<span class="score ${strong ? 'is-strong' : ''}"><span class="score-track"><i style=${{ width: `${Math.round(value * 100)}%` }}></i></span><b class="num">${value.toFixed(2)}</b></span>`;

function Verdict({ plan, needs, entry }) {
  const able = plan.candidates.filter((c) => c.excluded === null).length;
  if (plan.worker_id) return html`<p class="verdict is-ok"><b>${workerName(plan.worker_id)}</b> would be chosen (best of ${number(able)} eligible).</p>`;
  if (plan.impossible) return html`<div class="verdict is-never"><p><b>No worker can run this</b>: ${plan.reason}. Start a matching worker:</p><${Command} text=${workerCommand(needs)} /></div>`;
  return html`<p class="verdict is-wait">${entry ? html`#${entry.position} in queue: ` : 'It would wait: '}<b>${plan.reason}</b>.</p>`;
}

const Candidates = ({ plan }) => html`<div class="scroll-x"><table class="rows candidates" aria-label="Workers, best first">
  <thead><tr><th>Worker</th><th class="wide">Type</th><th>Score</th>${criteria.map(([, text]) => html`<th>${text}</th>`)}</tr></thead>
  <tbody>${plan.candidates.map((c) => html`<tr key=${c.worker_id} data-row class="row ${c.excluded ? 'is-out' : ''} ${c.worker_id === plan.worker_id ? 'is-chosen' : ''}">
    <td class="col-title"><a class="row-link" href=${href(`/workers/${c.worker_id}`)}>${workerName(c.worker_id)}</a>${c.worker_id === plan.worker_id && html`<span class="label strong">chosen</span>`}</td>
    <td class="wide"><span class="label">${c.type}</span></td>
    ${c.excluded !== null ? html`<td colspan="4" class="excluded">Not eligible: ${c.excluded}</td>`
    : html`<td><${Score} value=${c.score} strong /></td>${criteria.map(([key]) => html`<td key=${key}><${Score} value=${c.criteria[key] ?? 0} /></td>`)}`}</tr>`)}</tbody></table></div>`;

/** The requirements in the URL. */
function asked(query) {
  const requirements = { capacity: Number(query.get('capacity') || 1), labels: {} };
  try { requirements.labels = pairs((query.get('labels') ?? '').trim().replaceAll(/\s*,\s*/g, '\n'), 'labels'); } catch { /* incomplete input */ }
  if (query.get('type')) requirements.type = query.get('type');
  return requirements;
}

export function Why() {
  const { query } = place.value;
  const id = query.get('execution_id') ?? '';
  const needs = asked(query);
  const e = useLoad((signal) => (id ? get(`/executions/${id}`, {}, signal) : Promise.resolve(null)), [id], { on: ({ kind, data }) => kind === 'execution' && data.execution.id === id });
  const plan = useLoad(() => post('/schedule', id ? { execution_id: id } : { job_config: { requirements: needs } }, { dry_run: true }), [id, JSON.stringify(needs)], { on: () => true, every: 1500 });
  const entry = useQueueEntry(id, e.data?.status === 'PENDING');
  const wanted = id ? e.data?.requirements : needs;
  useTitle('Placement');
  const ask = (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    go(href('/why', Object.fromEntries(['type', 'capacity', 'labels'].map((name) => [name, String(form.get(name))]))));
  };
  return html`<${Head} title="Placement" above=${id && html`<a href=${href(`/executions/${id}`)}>${e.data ? title(e.data) : 'Execution'}</a>`}
      sub=${id ? 'How the scheduler evaluates every worker for this execution now' : 'Dry run: where would this be placed?'} />
    ${id ? e.data && html`<div class="toolbar"><${Status} status=${e.data.status} /><span class="faint">requires</span><${Needs} needs=${e.data.requirements} /><a class="link" href=${href('/why')}>Try other requirements</a></div>`
    : html`<form class="toolbar ask" onSubmit=${ask}><${Text} name="type" label="Worker type" value=${query.get('type') ?? ''} placeholder="any" />
      <${Text} name="capacity" label="Slots" type="number" min="1" max="10000" value=${query.get('capacity') ?? 1} />
      <${Text} name="labels" label="Labels" value=${query.get('labels') ?? ''} placeholder="zone=a,gpu=yes" /><button type="submit" class="primary">Explain</button></form>`}
    <${Loaded} of=${plan}>${(data) => html`${!(e.data?.completed_at) && html`<${Verdict} plan=${data} needs=${wanted} entry=${entry} />`}
      ${data.candidates.length ? html`<${Panel} cls="flush"><${Candidates} plan=${data} /></${Panel}>`
    : html`<${Empty} title="No active workers" text="Start one on any machine that reaches NATS:" command=${workerCommand(wanted)} />`}`}</${Loaded}>`;
}
