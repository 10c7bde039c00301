// @ts-check
// The phases of an execution: queued, starting, running.
import { html } from 'htm/preact';
import { now } from '../lib/use.js';
import { duration, ticking } from '../lib/format.js';

/** The phases of an execution, in seconds. The current one has no end. */
export function phases(e, at) {
  const t = (text) => (text ? Date.parse(text) : null);
  const made = t(e.created_at);
  const given = t(e.scheduled_at);
  const started = t(e.started_at);
  const ended = t(e.completed_at);
  const end = ended ?? at;
  const list = [{ name: 'Queued', tone: 'wait', from: made, to: Math.min(given ?? end, end), open: !given && !ended }];
  if (given && started && started - given > 0) list.push({ name: 'Starting', tone: 'late', from: given, to: started, open: false });
  if (given) list.push({ name: 'Running', tone: 'run', from: started ?? given, to: end, open: !ended });
  return list.map((p) => ({ ...p, seconds: Math.max(0, (p.to - p.from) / 1000) }));
}

export function Waterfall({ execution }) {
  const at = execution.completed_at ? 0 : now.value;
  const list = phases(execution, at);
  const from = list[0].from;
  const whole = Math.max(1, list.at(-1).to - from);
  return html`<div class="waterfall" role="img" aria-label=${list.map((p) => `${p.name} ${duration(p.seconds)}`).join(', ')}>
    ${list.map((p) => html`<div key=${p.name} class="phase tone-${p.tone} ${p.open ? 'is-open' : ''}">
      <span class="phase-name">${p.name}</span>
      <span class="phase-track"><i style=${{ left: `${Math.min(99.6, (100 * (p.from - from)) / whole)}%`, width: `${(100 * (p.to - p.from)) / whole}%` }}></i></span>
      <span class="phase-time num">${p.open ? ticking(p.seconds) : duration(p.seconds)}</span></div>`)}
  </div>`;
}
