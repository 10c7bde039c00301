// @ts-check
// The fleet by type: used and total slots.
import { html } from 'htm/preact';
import { href } from '../lib/router.js';
import { number, plural } from '../lib/format.js';
import { Empty } from './basics.js';
import { workerCommand } from './needs.js';

const gone = (w) => w.status === 'TERMINATED' || w.status === 'OFFLINE';

/** Sums slots by type. Only active workers have slots. */
export function byType(workers) {
  const types = new Map();
  for (const w of workers) {
    if (gone(w)) continue;
    const t = types.get(w.type) ?? { type: w.type, workers: 0, used: 0, total: 0, leaving: 0 };
    t.workers++;
    t.total += w.total_capacity;
    t.used += w.total_capacity - w.capacity;
    if (w.status === 'DRAINING' || w.status === 'TERMINATING') t.leaving++;
    types.set(w.type, t);
  }
  return [...types.values()].sort((a, b) => a.type.localeCompare(b.type));
}

export const Bar = ({ used, total, label }) => html`<span class="bar-track" role="meter" aria-label=${label} aria-valuemin="0" aria-valuemax=${total} aria-valuenow=${used}>
  <span class="bar-fill ${used >= total ? 'is-full' : ''}" style=${{ width: `${total ? (100 * used) / total : 0}%` }}></span></span>`;

export function Fleet({ workers }) {
  const types = byType(workers);
  if (!types.length) return html`<${Empty} title="No active workers" text="Start one on any machine that reaches NATS:" command=${workerCommand()} />`;
  return html`<ul class="fleet">${types.map((t) => html`<li key=${t.type}>
    <a class="row-link" href=${href('/workers', { type: t.type })}>${t.type}</a>
    <span class="faint">${plural(t.workers, 'worker')}${t.leaving ? `, ${t.leaving} leaving` : ''}</span>
    <span class="num"><b>${number(t.used)}</b> <span class="faint">of ${number(t.total)} slots</span></span>
    <${Bar} used=${t.used} total=${t.total} label=${`Slots used of type ${t.type}`} /></li>`)}</ul>`;
}
