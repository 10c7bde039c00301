// @ts-check
// States: each has a shape and a word in addition to its colour.
import { html } from 'htm/preact';
import { now } from '../lib/use.js';
import { ago, duration, words } from '../lib/format.js';
import { href } from '../lib/router.js';

const shapes = {
  PENDING: html`<circle cx="8" cy="8" r="5.5" stroke-dasharray="2.2 2.1" />`,
  RUNNING: html`<circle cx="8" cy="8" r="5.5" opacity=".3" /><path class="spin" d="M8 2.5a5.5 5.5 0 0 1 5.5 5.5" />`,
  COMPLETED: html`<circle cx="8" cy="8" r="6.25" fill="currentColor" stroke="none" /><path class="knock" d="M5.3 8.3l1.9 1.9 3.6-4.2" />`,
  FAILED: html`<circle cx="8" cy="8" r="6.25" fill="currentColor" stroke="none" /><path class="knock" d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4" />`,
  CANCELLED: html`<circle cx="8" cy="8" r="5.5" /><path d="M4.3 11.7l7.4-7.4" />`,
  TIMED_OUT: html`<circle cx="8" cy="8" r="5.5" /><path d="M8 5v3.2l2 1.3" />`,
  WAITING: html`<circle cx="8" cy="8" r="2.2" />`,
  BLOCKED: html`<circle cx="8" cy="8" r="5.5" /><path d="M6.4 5.6v4.8M9.6 5.6v4.8" />`,
  SKIPPED: html`<circle cx="8" cy="8" r="5.5" opacity=".55" /><path d="M5.4 8h5.2" />`,
  STARTED: html`<circle cx="8" cy="8" r="5.5" /><path d="M6.7 5.7v4.6l3.6-2.3z" fill="currentColor" />`,
  IGNORED: html`<circle cx="8" cy="8" r="5.5" opacity=".55" /><path d="M5.4 8h5.2" />`,
  REFUSED: html`<circle cx="8" cy="8" r="5.5" /><path d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4" />`,
  DELIVERED: html`<circle cx="8" cy="8" r="6.25" fill="currentColor" stroke="none" /><path class="knock" d="M5.3 8.3l1.9 1.9 3.6-4.2" />`,
  AVAILABLE: html`<circle cx="8" cy="8" r="4" />`,
  BUSY: html`<circle cx="8" cy="8" r="4.5" fill="currentColor" stroke="none" />`,
  DRAINING: html`<circle cx="8" cy="8" r="4.5" /><path d="M3.5 8a4.5 4.5 0 0 0 9 0z" fill="currentColor" stroke="none" />`,
  TERMINATING: html`<rect x="4" y="4" width="8" height="8" rx="1.5" fill="currentColor" stroke="none" />`,
  OFFLINE: html`<circle cx="8" cy="8" r="5" /><path d="M4.6 11.4l6.8-6.8" />`,
  TERMINATED: html`<rect x="4.2" y="4.2" width="7.6" height="7.6" rx="1.5" />`,
};

const tones = {
  PENDING: 'wait', RUNNING: 'run', COMPLETED: 'ok', FAILED: 'fail', CANCELLED: 'off', TIMED_OUT: 'late',
  WAITING: 'off', BLOCKED: 'wait', SKIPPED: 'off',
  AVAILABLE: 'ok', BUSY: 'run', DRAINING: 'wait', TERMINATING: 'late', OFFLINE: 'fail', TERMINATED: 'off',
  CREATED: 'off', ACTIVE: 'ok', STARTED: 'ok', IGNORED: 'off', REFUSED: 'fail', DELIVERED: 'ok',
};

export const tone = (status) => tones[status] ?? 'off';

/** The state in words. */
export const statusLabel = (status) => {
  const text = words(status);
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** The shape alone. It needs a label unless a word is beside it. */
export const Shape = ({ status, label = '' }) => html`
  <svg class="shape tone-${tone(status)}" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.6"
    stroke-linecap="round" role=${label ? 'img' : undefined} aria-label=${label || undefined} aria-hidden=${label ? undefined : 'true'}>
    ${shapes[status] ?? shapes.PENDING}
  </svg>`;

/** Shape and word. */
export const Status = ({ status, text = '' }) => html`
  <span class="status tone-${tone(status)}"><${Shape} status=${status} /><span>${text || statusLabel(status)}</span></span>`;

const runTime = (e) => (e.started_at && e.completed_at ? (Date.parse(e.completed_at) - Date.parse(e.started_at)) / 1000 : null);

/** The last runs, oldest left, as bars: the colour is the outcome, the height the duration. */
export function Marks({ runs, most = 16 }) {
  if (!runs?.length) return html`<span class="faint small">never run</span>`;
  const shown = runs.slice(0, most).reverse();
  const longest = Math.max(...shown.map((e) => runTime(e) ?? 0), 0.001);
  return html`<span class="marks" role="group" aria-label="Last runs">${shown.map((e) => {
    const took = runTime(e);
    const height = took === null ? 30 : 30 + 70 * Math.sqrt(took / longest);
    const text = `${statusLabel(e.status)}${took === null ? '' : ` in ${duration(took)}`}${e.completed_at ? `, ${ago(e.completed_at, now.peek())}` : ''}`;
    return html`<a key=${e.id} class="mark tone-${tone(e.status)} is-${e.status.toLowerCase()}" href=${href(`/executions/${e.id}`)}
      title=${text} aria-label=${text}><i style=${{ height: `${height}%` }}></i></a>`;
  })}</span>`;
}

/** Durations of runs as a line, newest right. */
export function Sparkline({ runs, width = 88, height = 22 }) {
  const points = (runs ?? []).filter((e) => e.status === 'COMPLETED').map(runTime).filter((t) => t !== null).reverse();
  if (points.length < 3) return null;
  const top = Math.max(...points) || 1;
  const x = (i) => 2 + (i * (width - 4)) / (points.length - 1);
  const y = (t) => height - 3 - ((height - 6) * t) / top;
  const typical = points.toSorted((a, b) => a - b)[Math.floor(points.length / 2)];
  const text = `Duration of the last ${points.length} completed runs, median ${duration(typical)}`;
  return html`<svg class="sparkline" width=${width} height=${height} role="img" aria-label=${text}><title>${text}</title>
    <polyline points=${points.map((t, i) => `${x(i).toFixed(1)},${y(t).toFixed(1)}`).join(' ')} />
    <circle cx=${x(points.length - 1)} cy=${y(points.at(-1))} r="2" /></svg>`;
}
