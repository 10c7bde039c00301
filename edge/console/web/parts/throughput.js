// @ts-check
// Ended executions over time, one stacked bar per bucket.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { hourMinute, number } from '../lib/format.js';

const kinds = [['completed', 'Completed', 'ok'], ['failed', 'Failed', 'fail'], ['timed_out', 'Timed out', 'late'], ['cancelled', 'Cancelled', 'off']];
const HEIGHT = 132;
const WIDTH = 1000;

const sum = (b) => kinds.reduce((n, [key]) => n + b[key], 0);

/** A round number at or above n whose half is round too, for the axis. */
function round(n) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 2, 3, 4, 6, 8, 10].map((k) => k * unit).find((k) => k >= n) ?? n;
}

export function Throughput({ stats }) {
  const [at, setAt] = useState(-1);
  const { buckets } = stats;
  const top = round(Math.max(4, ...buckets.map(sum)));
  const wide = WIDTH / buckets.length;
  const total = buckets.reduce((n, b) => n + sum(b), 0);
  const shown = buckets[at];
  const text = `${number(total)} executions ended in the last hour: ${kinds.map(([key, name]) => `${number(stats[key])} ${name.toLowerCase()}`).join(', ')}`;
  const move = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(Math.min(buckets.length - 1, Math.floor(((event.clientX - box.left) / box.width) * buckets.length)));
  };
  return html`<div class="throughput">
    <div class="legend" aria-hidden="true">${kinds.map(([key, name, tone]) => html`<span key=${key} class="tone-${tone}"><i></i>${name}
      <b>${number(shown ? shown[key] : stats[key])}</b></span>`)}
      <span class="legend-when">${shown ? `${hourMinute(shown.begins_at)}` : 'last hour'}</span></div>
    <div class="plot" onMouseMove=${move} onMouseLeave=${() => setAt(-1)}>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${text}>
        ${[0.5, 1].map((y) => html`<line key=${y} class="grid" x1="0" x2=${WIDTH} y1=${HEIGHT - y * (HEIGHT - 2)} y2=${HEIGHT - y * (HEIGHT - 2)} />`)}
        ${buckets.map((b, i) => {
    let base = HEIGHT;
    return html`<g key=${b.begins_at} class=${i === at ? 'at' : ''}>${i === at && html`<rect class="cursor" x=${i * wide} y="0" width=${wide} height=${HEIGHT} />`}
          ${kinds.map(([key, , tone]) => {
    if (!b[key]) return null;
    const high = Math.max(1.5, (b[key] * (HEIGHT - 2)) / top);
    base -= high;
    return html`<rect key=${key} class="bar tone-${tone}" x=${i * wide + wide * 0.14} y=${base} width=${wide * 0.72} height=${high} />`;
  })}</g>`;
  })}
        <line class="axis" x1="0" x2=${WIDTH} y1=${HEIGHT} y2=${HEIGHT} />
      </svg>
      <span class="tick top">${number(top)}</span><span class="tick middle">${number(top / 2)}</span>
    </div>
    <div class="hours" aria-hidden="true">${[0, 0.25, 0.5, 0.75].map((x) => html`<span key=${x}>${hourMinute(buckets[Math.floor(x * buckets.length)].begins_at)}</span>`)}<span>now</span></div>
  </div>`;
}
