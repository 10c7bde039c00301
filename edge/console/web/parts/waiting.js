// @ts-check
// A waiting execution: its position in the queue, and why it has no worker.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { href } from '../lib/router.js';
import { useLoad } from '../lib/use.js';
import { Command } from './basics.js';
import { workerCommand } from './needs.js';

const FAR = 1000; // places from the head that are looked at

/** The queue entry of a pending execution, unless it is too far back. */
export function useQueueEntry(id, pending) {
  const queue = useLoad((signal) => (pending ? get('/queue', { limit: FAR }, signal) : Promise.resolve(null)), [id, pending], { on: () => true, every: 1500 });
  return queue.data?.items.find((q) => q.execution_id === id);
}

export function Waiting({ execution }) {
  const entry = useQueueEntry(execution.id, true);
  const why = html`<a class="link" href=${href('/why', { execution_id: execution.id })}>See how each worker was evaluated</a>`;
  if (entry?.impossible) {
    return html`<div class="waiting is-never" role="status"><p>#${entry.position} in queue. <b>No worker can run this</b>: ${entry.reason}. ${why}</p>
      <p>Start a matching worker:</p><${Command} text=${workerCommand(entry.requirements)} /></div>`;
  }
  return html`<p class="waiting" role="status">${entry ? html`#${entry.position} in queue: <b>${entry.reason}</b>. ` : 'Waiting for a worker. '}${why}</p>`;
}
