// @ts-check
// Running a job, with or without overrides, and cancelling executions and
// retries.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { create, newKey, post } from '../lib/api.js';
import { go, href } from '../lib/router.js';
import { commandText } from '../lib/format.js';
import { Failure } from './basics.js';
import { Dialog, attempt, confirm } from './dialog.js';
import { Area, pairs } from './fields.js';

const execute = (job, body, key) => create(`/jobs/${job.id}/execute`, { wait_seconds: 0.3, ...body }, key);

/** Runs the job and shows the execution. */
export async function run(job) {
  const started = await attempt(() => execute(job, {}, newKey()));
  if (started) go(href(`/executions/${started.execution_id}`));
}

/** Cancels a running or waiting execution. */
export const cancel = (id, name, reload = () => {}) => confirm({
  title: 'Cancel this execution?', text: `${name} gets SIGTERM, and SIGKILL if it has not ended after the grace period of its worker.`, yes: 'Cancel execution',
  act: async () => { await post(`/executions/${id}/cancel`); reload(); },
});

/** Cancels the retry of a failed execution. */
export const withdraw = (e, reload) => confirm({
  title: `Cancel retry ${e.attempt + 1}?`, text: 'The automatic retry will not start. You can still run it again by hand.', yes: 'Cancel retry',
  act: async () => { await post(`/executions/${e.id}/cancel`); reload(); },
});

export function RunDialog({ job, onClose }) {
  const [key] = useState(newKey);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    try {
      const body = { environment: pairs(String(form.get('environment')), 'environment') };
      const command = String(form.get('command')).trim();
      if (command) body.command = command;
      const started = await execute(job, body, key);
      onClose();
      go(href(`/executions/${started.execution_id}`));
    } catch (e) { setError(e); setBusy(false); }
  };
  return html`<${Dialog} title=${`Run ${job.name ?? 'the job'}`} onClose=${onClose}>
    <form onSubmit=${submit} class="form">
      <${Area} name="command" label="Command" hint=${job.command ? 'Leave empty to use the job’s command' : 'The job has no command'} required=${!job.command} rows="3" placeholder=${commandText(job.command)} code autofocus />
      <${Area} name="environment" label="Environment" hint="NAME=value, one per line, merged over the job’s environment" rows="3" code />
      ${error && html`<${Failure} error=${error} />`}
      <div class="dialog-foot"><button type="button" onClick=${onClose}>Cancel</button><button type="submit" class="primary" disabled=${busy}>Run</button></div>
    </form></${Dialog}>`;
}
