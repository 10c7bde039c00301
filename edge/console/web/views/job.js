// @ts-check
// One job: its specification and its executions.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { del, get } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { RECENT, useExecutions, withRun } from '../lib/lists.js';
import { learn, pipelineName } from '../lib/names.js';
import { go, href } from '../lib/router.js';
import { may } from '../lib/me.js';
import { useKeys } from '../lib/keys.js';
import { commandTitle } from '../lib/format.js';
import { Button, Empty, Facts, Head, Loaded, Panel } from '../parts/basics.js';
import { confirm } from '../parts/dialog.js';
import { ExecutionTable, More } from '../parts/executions.js';
import { icons } from '../parts/icons.js';
import { RunDialog, run } from '../parts/run.js';
import { Environment, Script, specFacts } from '../parts/spec.js';
import { Marks, Sparkline } from '../parts/status.js';

export function Job({ id }) {
  const [asking, setAsking] = useState(false);
  const job = useLoad(async (signal) => {
    const j = await get(`/jobs/${id}`, { recent: RECENT }, signal);
    learn('jobs', [j]);
    return j;
  }, [id]);
  const past = useExecutions({ job_id: id });
  useEvents(({ kind, data }) => {
    if (kind === 'execution' && data.execution.job_id === id) job.change((j) => ({ ...j, recent: withRun(j.recent, data.execution) }));
  });
  const j = job.data;
  const name = j ? j.name ?? (commandTitle(j.command) || j.key || 'Unnamed job') : 'Job';
  useTitle(name);
  const start = () => (j?.command ? run(j) : setAsking(true));
  useKeys({
    r: { what: 'Run the job', role: 'developer', run: start },
    R: { what: 'Run it with overrides', role: 'developer', run: () => setAsking(true) },
    e: { what: 'Edit the job', role: 'operator', run: () => go(href(`/jobs/${id}/edit`)) },
  });
  const remove = () => confirm({
    title: `Delete ${name}?`, text: 'This also deletes its executions and their logs. It cannot be undone.', yes: 'Delete job',
    act: async () => { await del(`/jobs/${id}`); go(href(`/pipelines/${j.pipeline_id}`)); },
  });
  return html`<${Loaded} of=${job}>${() => html`
    <${Head} title=${name} sub=${j.description} above=${html`<a href=${href('/pipelines')}>Pipelines</a><span aria-hidden="true">/</span><a href=${href(`/pipelines/${j.pipeline_id}`)}>${pipelineName(j.pipeline_id)}</a>`}>
      ${may('operator') && html`<button type="button" class="ghost" onClick=${remove}>${icons.trash()}Delete</button>
      <a class="button" href=${href(`/jobs/${id}/edit`)}>${icons.edit()}Edit</a>`}
      ${may('developer') && !j.pipeline && html`<button type="button" onClick=${() => setAsking(true)}>Run with…</button>
      <${Button} cls="primary" icon="play" onClick=${start}>Run</${Button}>`}</${Head}>
    <${Panel} cls="spec">
      ${j.pipeline ? html`<p>Starts the pipeline <a class="link" href=${href(`/pipelines/${j.pipeline.slug}`)}>${j.pipeline.slug}</a> in a run of this pipeline${j.pipeline.wait === false ? ', and does not wait for it' : ''}.</p>` : j.command ? html`<${Script} of=${j.command} />` : html`<p class="quiet">No command: each run sets its own.</p>`}
      <${Facts} items=${[...specFacts(j), ['Recent runs', html`<span class="with-spark"><${Marks} runs=${j.recent} most=${RECENT} /><${Sparkline} runs=${j.recent} /></span>`]]} />
      <${Environment} of=${j.environment} /></${Panel}>
    <${Panel} title="Executions" cls="flush"><${Loaded} of=${past}>${({ items }) => (items.length ? html`<${ExecutionTable} items=${items} of="job" /><${More} list=${past} />`
    : html`<${Empty} title="No runs yet" text="Run it here or from the CLI:" command=${`hodei run ${j.name ?? id}`} />`)}</${Loaded}></${Panel}>
    ${asking && html`<${RunDialog} job=${j} onClose=${() => setAsking(false)} />`}`}</${Loaded}>`;
}
