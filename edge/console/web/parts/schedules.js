// @ts-check
// Schedules as rows, wherever they are listed; what one may do with them; and their fires.
import { html } from 'htm/preact';
import { create, newKey, post } from '../lib/api.js';
import { may } from '../lib/me.js';
import { jobName, pipelineName } from '../lib/names.js';
import { go, href } from '../lib/router.js';
import { moment, plural, shortId, words } from '../lib/format.js';
import { scheduleName, times, useSchedules } from '../lib/schedules.js';
import { Age, Button, Panel } from './basics.js';
import { attempt } from './dialog.js';
import { Status } from './status.js';

/** What a schedule starts, as a link. */
export const Target = ({ schedule: s }) => (s.job_id ? html`<a href=${href(`/jobs/${s.job_id}`)}>${jobName(s.job_id) || shortId(s.job_id)}</a>`
  : html`<a href=${href(`/pipelines/${s.pipeline_id}`)}>${s.pipeline ?? pipelineName(s.pipeline_id)}</a>`);

/** Starts what the schedule is for, now, and shows it. */
async function trigger(s, reload) {
  const fire = await attempt(() => create(`/schedules/${s.id}/trigger`, undefined, newKey()));
  if (fire?.status === 'STARTED') go(target(fire));
  else reload();
}

const target = (fire) => href(fire.run_id ? `/runs/${fire.run_id}` : `/executions/${fire.execution_id}`);

export const Actions = ({ schedule: s, reload }) => {
  const set = (paused) => attempt(async () => { await post(`/schedules/${s.id}/${paused ? 'pause' : 'resume'}`); reload(); });
  return html`${may('operator') && (s.paused ? html`<${Button} icon="play" cls="ghost" onClick=${() => set(false)} aria-label=${`Resume ${scheduleName(s)}`}>Resume</${Button}>`
    : html`<${Button} icon="pause" cls="ghost" onClick=${() => set(true)} aria-label=${`Pause ${scheduleName(s)}`}>Pause</${Button}>`)}
    ${may('developer') && html`<${Button} onClick=${() => trigger(s, reload)} aria-label=${`Trigger ${scheduleName(s)} now`}>Trigger</${Button}>`}`;
};

/** The outcome of a fire, or why it started nothing. */
export const Outcome = ({ fire }) => {
  if (fire.status === 'STARTED') return html`<a href=${target(fire)}><${Status} status=${fire.outcome ?? 'RUNNING'} /></a>`;
  if (fire.status === 'WAITING') return html`<span class="faint">waits for the run before</span>`;
  return html`<span class="label">${words(fire.reason)}</span>${fire.message && html` <span class="faint">${fire.message}</span>`}`;
};

const Row = ({ schedule: s, reload }) => html`<tr data-row class="row">
  <td class="col-title"><a class="row-link" href=${href(`/schedules/${s.id}`)}>${scheduleName(s)}</a>
    <div class="under">${s.name && html`<code>${times(s)}</code>`}${s.defined && html`<span>in the definition</span>`}</div></td>
  <td><${Target} schedule=${s} /></td>
  <td class="num">${s.paused ? html`<span class="label">paused${s.pause_reason === 'FAILURES' ? ` after ${plural(s.failures, 'failure')}` : ''}</span>` : html`<${Age} time=${s.next_at} />`}</td>
  <td class="wide">${s.last_fire ? html`<${Outcome} fire=${s.last_fire} />` : html`<span class="faint">never</span>`}</td>
  <td class="col-act"><${Actions} schedule=${s} reload=${reload} /></td></tr>`;

export const ScheduleTable = ({ items, reload }) => html`<div class="scroll-x"><table class="rows" aria-label="Schedules">
  <thead><tr><th>Schedule</th><th>Starts</th><th class="num">Next</th><th class="wide">Last</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
  <tbody>${items.map((s) => html`<${Row} key=${s.id} schedule=${s} reload=${reload} />`)}</tbody></table></div>`;

/** The schedules of a pipeline, if it has any. */
export function PipelineSchedules({ id }) {
  const list = useSchedules({ pipeline_id: id });
  return list.data?.length > 0 && html`<${Panel} title="Schedules" cls="flush"><${ScheduleTable} items=${list.data} reload=${list.reload} /></${Panel}>`;
}

export const FireTable = ({ items }) => html`<div class="scroll-x"><table class="rows" aria-label="Fires">
  <thead><tr><th>Planned</th><th>Outcome</th><th class="wide">Kind</th><th class="num wide">Decided</th></tr></thead>
  <tbody>${items.map((f) => html`<tr data-row class="row" key=${f.planned_at}><td><time datetime=${f.planned_at}>${moment(f.planned_at)}</time>${f.count > 1 && html` <span class="faint">and ${f.count - 1} more</span>`}</td>
    <td><${Outcome} fire=${f} />${f.run_number && html` <a href=${target(f)}>#${f.run_number}</a>`}</td><td class="wide faint">${f.kind}</td>
    <td class="num wide"><${Age} time=${f.decided_at} /></td></tr>`)}</tbody></table></div>`;

