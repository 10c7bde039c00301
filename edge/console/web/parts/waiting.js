// @ts-check
// One execution that waits: its place in the queue, and why it has no worker.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { href } from '../lib/router.js';
import { useLoad } from '../lib/use.js';
import { Command } from './basics.js';
import { workerCommand } from './needs.js';

const FAR = 1000; // places from the head that are looked at

/** The entry of a pending execution in the queue, where it is known and not too far back. */
export function useQueueEntry(id, pending) {
  const queue = useLoad((signal) => (pending ? get('/queue', { limit: FAR }, signal) : Promise.resolve(null)), [id, pending], { on: () => true, every: 1500 });
  return queue.data?.items.find((q) => q.execution_id === id);
}

export function Waiting({ execution }) {
  const entry = useQueueEntry(execution.id, true);
  const why = html`<a class="link" href=${href('/why', { execution_id: execution.id })}>What each worker was thought of</a>`;
  if (entry?.impossible) {
    return html`<div class="waiting is-never" role="status"><p>Number ${entry.position} in the queue, and <b>impossible</b>: ${entry.reason}. ${why}</p>
      <p>It waits for a worker that could take it, like one from</p><${Command} text=${workerCommand(entry.requirements)} /></div>`;
  }
  return html`<p class="waiting" role="status">${entry ? html`Number ${entry.position} in the queue: <b>${entry.reason}</b>. ` : 'It waits for a worker. '}${why}</p>`;
}
