// @ts-check
// One pipeline: its runs, its jobs, and their executions.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { all, del, get } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { RECENT, useExecutions, withRun } from '../lib/lists.js';
import { useRuns } from '../lib/runs.js';
import { learn } from '../lib/names.js';
import { go, href } from '../lib/router.js';
import { may } from '../lib/me.js';
import { useKeys } from '../lib/keys.js';
import { commandTitle, plural } from '../lib/format.js';
import { Age, Button, Empty, Head, Loaded, Panel } from '../parts/basics.js';
import { confirm } from '../parts/dialog.js';
import { ExecutionTable, More } from '../parts/executions.js';
import { icons } from '../parts/icons.js';
import { RunDialog, run } from '../parts/run.js';
import { RunPipelineDialog } from '../parts/run-pipeline.js';
import { RunTable } from '../parts/runs.js';
import { PipelineHooks } from '../parts/hooks.js';
import { PipelineNotifications } from '../parts/notifications.js';
import { PipelineSchedules } from '../parts/schedules.js';
import { PipelineTests } from '../parts/tests.js';
import { Marks, Shape, Sparkline } from '../parts/status.js';

const JobRow = ({ job, onRun }) => html`<tr data-row class="row">
  <td class="col-title"><span class="with-shape"><${Shape} status=${job.status} label=${job.execution ? `Last run: ${job.status.toLowerCase()}` : 'Never run'} /><a class="row-link" href=${href(`/jobs/${job.id}`)}>${job.name ?? (commandTitle(job.command) || job.key || 'Unnamed job')}</a></span>
    <div class="under">${job.pipeline ? html`<span>starts <code>${job.pipeline.slug}</code></span>` : job.command ? html`<code>${commandTitle(job.command)}</code>` : html`<span>command set at each run</span>`}</div></td>
  <td class="wide">${job.type ? html`<span class="label">${job.type}</span>` : html`<span class="faint">any</span>`}</td>
  <td class="col-marks"><${Marks} runs=${job.recent} most=${RECENT} /></td>
  <td class="col-spark wide"><${Sparkline} runs=${job.recent} /></td>
  <td class="num wide">${job.started_at ? html`<${Age} time=${job.started_at} />` : html`<span class="faint">never</span>`}</td>
  <td class="col-act">${may('developer') && !job.pipeline && html`<${Button} icon="play" onClick=${() => (job.command ? run(job) : onRun(job))}>Run</${Button}>
    <button type="button" class="ghost" onClick=${() => onRun(job)} aria-label=${`Run ${job.name ?? 'it'} with overrides`} title="Run with overrides">${icons.more()}</button>`}</td></tr>`;

export function Pipeline({ id }) {
  const [running, setRunning] = useState(null);
  const [starting, setStarting] = useState(false);
  const runs = useRuns({ pipeline_id: id });
  const pipeline = useLoad(async (signal) => {
    const p = await get(`/pipelines/${id}`, { recent: RECENT }, signal);
    learn('pipelines', [p]);
    if (p.id !== id) go(href(`/pipelines/${p.id}`), { replace: true }); // a slug: events contain ids
    return p;
  }, [id]);
  const jobs = useLoad(async (signal) => {
    const items = await all('/jobs', { pipeline_id: id, recent: RECENT }, signal);
    learn('jobs', items);
    return items;
  }, [id]);
  const past = useExecutions({ pipeline_id: id });
  useEvents(({ kind, data }) => {
    const e = data.execution;
    if (kind !== 'execution' || e.pipeline_id !== id) return;
    jobs.change((list) => list.map((job) => {
      if (job.id !== e.job_id) return job;
      const recent = withRun(job.recent, e);
      return recent[0].id === e.id ? { ...job, recent, status: e.status, started_at: e.started_at, execution: recent[0] } : { ...job, recent };
    }));
  });
  const p = pipeline.data;
  useTitle(p?.name ?? 'Pipeline');
  useKeys({
    r: { what: 'Run the pipeline', role: 'developer', run: () => setStarting(true) },
    c: { what: 'Create a job', role: 'operator', run: () => go(href(`/pipelines/${id}/jobs/new`)) },
    e: { what: 'Edit the pipeline', role: 'operator', run: () => go(href(`/pipelines/${id}/edit`)) },
  });
  const remove = () => confirm({
    title: `Delete ${p.name}?`, text: 'This also deletes its jobs, their executions and the logs. It cannot be undone.', yes: 'Delete pipeline',
    act: async () => { await del(`/pipelines/${id}`); go(href('/pipelines')); },
  });
  return html`<${Loaded} of=${pipeline}>${() => html`
    <${Head} title=${p.name} sub=${p.description} above=${html`<a href=${href('/pipelines')}>Pipelines</a>`}>
      ${may('operator') && html`<button type="button" class="ghost" onClick=${remove}>${icons.trash()}Delete</button>
      <a class="button" href=${href(`/pipelines/${id}/edit`)}>${icons.edit()}Edit</a>
      <a class="button" href=${href(`/pipelines/${id}/jobs/new`)}>${icons.plus()}New job</a>`}
      ${jobs.data?.length > 0 && may('developer') && html`<button type="button" class="primary" onClick=${() => setStarting(true)}>${icons.play()}Run pipeline</button>`}</${Head}>
    ${runs.data?.items.length > 0 && html`<${Panel} title="Runs" cls="flush"><${RunTable} items=${runs.data.items} of="pipeline" /><${More} list=${runs} /></${Panel}>`}
    <${Panel} title="Jobs" cls="flush" aside=${jobs.data && html`<span class="faint">${plural(jobs.data.length, 'job')}</span>`}><${Loaded} of=${jobs}>${(list) => (list.length ? html`<div class="scroll-x"><table class="rows jobs" aria-label="Jobs">
      <thead><tr><th>Job</th><th class="wide">Type</th><th>Recent runs</th><th class="wide">Duration</th><th class="num wide">Last run</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${list.map((job) => html`<${JobRow} key=${job.id} job=${job} onRun=${setRunning} />`)}</tbody></table></div>`
    : html`<${Empty} title="No jobs yet" text="A job runs a command. Create one here or from the CLI:" command=${`hodei job create --pipeline ${id} --name build -- make`} />`)}</${Loaded}></${Panel}>
    <${PipelineTests} id=${p.id} />
    <${PipelineSchedules} id=${p.id} />
    <${PipelineHooks} id=${p.id} />
    <${PipelineNotifications} id=${p.id} />
    <${Panel} title="Executions" cls="flush"><${Loaded} of=${past}>${({ items }) => (items.length ? html`<${ExecutionTable} items=${items} of="pipeline" /><${More} list=${past} />` : html`<p class="quiet">No executions yet</p>`)}</${Loaded}></${Panel}>
    ${starting && html`<${RunPipelineDialog} pipeline=${p} onClose=${() => setStarting(false)} />`}
    ${running && html`<${RunDialog} job=${running} onClose=${() => setRunning(null)} />`}`}</${Loaded}>`;
}
