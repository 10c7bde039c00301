// @ts-check
// What an execution asks of a worker, why it waits, and how to start a worker
// that could take it.
import { html } from 'htm/preact';
import { commandText } from '../lib/format.js';
import { Labels } from './basics.js';

/** What it asks of a worker. */
export const Needs = ({ needs }) => html`${needs?.type && html`<span class="label">${needs.type}</span>`}
  ${needs?.capacity > 1 && html`<span class="label">${needs.capacity} slots</span>`}<${Labels} labels=${needs?.labels} />
  ${!needs?.type && !(needs?.capacity > 1) && !Object.keys(needs?.labels ?? {}).length && html`<span class="faint">any worker</span>`}`;

/** Why it waits; what no worker could ever take is told apart from what only has to wait. */
export const Reason = ({ of }) => html`<span class="reason ${of.impossible ? 'is-never' : ''}" title=${of.reason}>
  ${of.impossible && html`<span class="label never">impossible</span>`}${of.reason}</span>`;

/** The command that starts a worker which can take it. NATS is where the console is, as far as one can guess. */
export function workerCommand(needs = {}) {
  const words = ['hodei', 'worker', '--nats', `nats://${window.location.hostname}:4222`, '--type', needs.type ?? 'shell'];
  if (needs.capacity > 1) words.push('--capacity', String(needs.capacity));
  for (const [k, v] of Object.entries(needs.labels ?? {})) words.push('--label', `${k}=${v}`);
  return commandText(words);
}
