// @ts-check
// The requirements of an execution, why it waits, and the command that starts a
// matching worker.
import { html } from 'htm/preact';
import { commandText } from '../lib/format.js';
import { Labels } from './basics.js';

/** The requirements. */
export const Needs = ({ needs }) => html`${needs?.type && html`<span class="label">${needs.type}</span>`}
  ${needs?.capacity > 1 && html`<span class="label">${needs.capacity} slots</span>`}<${Labels} labels=${needs?.labels} />
  ${!needs?.type && !(needs?.capacity > 1) && !Object.keys(needs?.labels ?? {}).length && html`<span class="faint">any worker</span>`}`;

/** Why it waits. An execution that no worker can ever run is marked. */
export const Reason = ({ of }) => html`<span class="reason ${of.impossible ? 'is-never' : ''}" title=${of.reason}>
  ${of.impossible && html`<span class="label never">impossible</span>`}${of.reason}</span>`;

/** The command that starts a matching worker. It assumes that NATS runs on the console's host. */
export function workerCommand(needs = {}) {
  const words = ['hodei', 'worker', '--nats', `nats://${window.location.hostname}:4222`, '--type', needs.type ?? 'shell'];
  if (needs.capacity > 1) words.push('--capacity', String(needs.capacity));
  for (const [k, v] of Object.entries(needs.labels ?? {})) words.push('--label', `${k}=${v}`);
  return commandText(words);
}
