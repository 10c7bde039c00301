// @ts-check
// Creates or changes a job.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { create, get, newKey, patch } from '../lib/api.js';
import { useLoad, useTitle } from '../lib/use.js';
import { learn, pipelineName } from '../lib/names.js';
import { go, href } from '../lib/router.js';
import { Choices, Failure, Head, Loaded } from '../parts/basics.js';
import { Area, Text, changes, json, lines, pairs, textOf } from '../parts/fields.js';

const blank = { name: '', description: '', command: '', type: null, environment: {}, priority: 5, requirements: {}, timeout_seconds: null, retries: null, working_dir: null };
const number = (text) => (text === '' ? null : Number(text));

/** A program and its arguments, one per line or as JSON. */
const words = (text) => (text.trim().startsWith('[') ? json(text, 'command') : text.split('\n').filter((word) => word !== ''));

/**
 * What the form changes of the job, as a request of the API: a job holds more than the form shows.
 * With `list`, the command is a program and its arguments.
 */
function read(element, job, list) {
  const form = new FormData(element);
  const changed = changes(element);
  const whole = (name) => String(form.get(name)).replace(/\r/g, '');
  const text = (name) => whole(name).trim();
  const body = {};
  if (changed('name')) body.name = text('name') || null;
  if (changed('description')) body.description = text('description') || null;
  if (changed('command') || list !== Array.isArray(job.command)) body.command = !text('command') ? null : list ? words(whole('command')) : whole('command');
  if (changed('environment')) body.environment = pairs(whole('environment'), 'environment');
  if (changed('type', 'capacity', 'labels')) {
    body.requirements = { ...(text('type') && { type: text('type') }), capacity: number(text('capacity')) ?? 1, labels: pairs(whole('labels'), 'labels') };
  }
  if (changed('dir')) body.working_dir = text('dir') || null;
  if (changed('priority')) body.priority = number(text('priority')) ?? 5;
  if (changed('timeout')) body.timeout_seconds = number(text('timeout'));
  if (changed('retries', 'backoff')) {
    const max = number(text('retries'));
    body.retries = max ? { ...job.retries, max, backoff_seconds: number(text('backoff')) ?? 0 } : null;
  }
  return body;
}

const given = (body) => Object.fromEntries(Object.entries(body).filter(([, v]) => v !== null));

export function JobForm({ id = '', pipeline = '' }) {
  const [key] = useState(newKey);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [list, setList] = useState(/** @type {boolean | null} */ (null));
  const old = useLoad((signal) => (id ? get(`/jobs/${id}`, {}, signal) : Promise.resolve(blank)), [id]);
  useTitle(id ? 'Edit job' : 'New job');
  const listed = list ?? Array.isArray(old.data?.command);
  const owner = pipeline || old.data?.pipeline_id;
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const body = read(event.currentTarget, old.data, listed);
      const made = id ? await patch(`/jobs/${id}`, body) : await create('/jobs', { pipeline_id: pipeline, ...given(body) }, key);
      learn('jobs', [made]);
      go(href(id ? `/jobs/${id}` : `/pipelines/${pipeline}`));
    } catch (e) { setError(e); setBusy(false); }
  };
  return html`<${Head} title=${id ? 'Edit job' : 'New job'} above=${owner && html`<a href=${href('/pipelines')}>Pipelines</a><span aria-hidden="true">/</span><a href=${href(`/pipelines/${owner}`)}>${pipelineName(owner)}</a>`} />
    <${Loaded} of=${old}>${(job) => html`<form class="form card" onSubmit=${submit}>
      <${Text} name="name" label="Name" maxlength="200" value=${job.name ?? ''} placeholder="build" autofocus />
      <div class="field-with-choice">
        <${Area} name="command" label="Command" code rows="5" value=${Array.isArray(job.command) ? textOf(job.command, job.command.join('\n'), words) : job.command ?? ''}
          hint=${listed ? 'A program and its arguments, one per line or as JSON, without a shell' : 'Runs as sh -c. If empty, each run must set a command'} />
        <${Choices} label="Form of the command" options=${[['shell', 'Shell'], ['list', 'Program']]} value=${listed ? 'list' : 'shell'} onChange=${(v) => setList(v === 'list')} />
      </div>
      <${Area} name="environment" label="Environment" hint="NAME=value, one per line or as JSON" code rows="3" value=${lines(job.environment)} />
      <fieldset><legend>Placement</legend><div class="fields">
        <${Text} name="type" label="Worker type" hint="Optional; any if empty" maxlength="100" value=${job.type ?? ''} placeholder="shell" />
        <${Text} name="capacity" label="Slots" type="number" min="1" max="10000" value=${job.requirements?.capacity ?? 1} />
        <${Area} name="labels" label="Labels" hint="zone=a, one per line; workers must match all" code rows="2" value=${lines(job.requirements?.labels)} />
        <${Text} name="dir" label="Working directory" hint="On the worker; a temporary one if empty" code pattern="/.*" value=${job.working_dir ?? ''} placeholder="/srv/build" />
      </div></fieldset>
      <fieldset><legend>Execution</legend><div class="fields">
        <${Text} name="priority" label="Priority" hint="0 to 10, higher first" type="number" min="0" max="10" value=${job.priority} />
        <${Text} name="timeout" label="Timeout, seconds" hint="Optional; no timeout if empty" type="number" min="0.001" step="any" value=${job.timeout_seconds ?? ''} />
        <${Text} name="retries" label="Retries" hint="Number of retries after a failure" type="number" min="0" max="100" value=${job.retries?.max ?? ''} />
        <${Text} name="backoff" label="Retry backoff, seconds" hint="Doubles per attempt" type="number" min="0" max="86400" step="any" value=${job.retries?.backoff_seconds ?? ''} />
      </div></fieldset>
      <${Area} name="description" label="Description" hint="Optional" maxlength="2000" rows="2" value=${job.description ?? ''} />
      ${error && html`<${Failure} error=${error} />`}
      <div class="form-foot"><a class="button" href=${href(id ? `/jobs/${id}` : `/pipelines/${pipeline}`)}>Cancel</a><button type="submit" class="primary" disabled=${busy}>${id ? 'Save' : 'Create job'}</button></div>
    </form>`}</${Loaded}>`;
}
