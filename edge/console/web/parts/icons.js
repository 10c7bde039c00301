// @ts-check
// Icons, drawn on 16 by 16. They have no text alternative: their container has
// a text or a label.
import { html } from 'htm/preact';

const line = (children) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor"
  stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">${children}</svg>`;
const path = (d) => line(html`<path d=${d} />`);

export const icons = {
  overview: () => line(html`<rect x="2" y="2" width="5" height="6" rx="1.2" /><rect x="9" y="2" width="5" height="3.5" rx="1.2" /><rect x="2" y="10.5" width="5" height="3.5" rx="1.2" /><rect x="9" y="8" width="5" height="6" rx="1.2" />`),
  pipelines: () => line(html`<circle cx="3.5" cy="4" r="1.7" /><circle cx="12.5" cy="8" r="1.7" /><circle cx="3.5" cy="12" r="1.7" /><path d="M5.2 4h2.3c1.2 0 1.7.5 2 1.6M5.2 12h2.3c1.2 0 1.7-.5 2-1.6" />`),
  runs: () => line(html`<circle cx="8" cy="8" r="5.8" /><path d="M6.6 5.6v4.8l3.8-2.4z" fill="currentColor" />`),
  executions: () => line(html`<path d="M2.5 3.5h11M2.5 8h11M2.5 12.5h7" />`),
  queue: () => line(html`<circle cx="8" cy="8" r="5.8" /><path d="M8 4.8V8l2.2 1.6" />`),
  workers: () => line(html`<rect x="2" y="2.5" width="12" height="4.5" rx="1.3" /><rect x="2" y="9" width="12" height="4.5" rx="1.3" /><path d="M4.6 4.75h.01M4.6 11.25h.01" stroke-width="2" />`),
  secrets: () => line(html`<rect x="3" y="7" width="10" height="6.5" rx="1.4" /><path d="M5.2 7V5a2.8 2.8 0 0 1 5.6 0v2" />`),
  schedules: () => line(html`<rect x="2" y="3" width="12" height="11" rx="1.5" /><path d="M2 6.5h12M5.3 1.7v2.6M10.7 1.7v2.6M8 8.7v2l1.4 1" />`),
  hooks: () => path('M9.5 2.5v7a3.2 3.2 0 1 1-6.4 0V8M3.1 8L1.6 9.6M3.1 8l1.6 1.6M9.5 2.5a1 1 0 1 0 .01 0'),
  notifications: () => path('M4 11V7a4 4 0 0 1 8 0v4l1.3 1.5H2.7zM6.7 14h2.6'),
  tokens: () => line(html`<circle cx="5.2" cy="10.8" r="2.9" /><path d="M7.3 8.7l6-6M11 5l1.8 1.8M9.2 6.8l1.3 1.3" />`),
  audit: () => line(html`<path d="M3 2h7l3 3v9H3zM10 2v3h3M5.5 8h5M5.5 11h3.5" />`),
  why: () => line(html`<circle cx="8" cy="8" r="5.8" /><path d="M6.3 6.4c.1-1 .8-1.6 1.8-1.6s1.7.6 1.7 1.5c0 1.2-1.8 1.3-1.8 2.5M8 11h.01" />`),
  sun: () => line(html`<circle cx="8" cy="8" r="2.8" /><path d="M8 1.7v1.2M8 13.1v1.2M1.7 8h1.2M13.1 8h1.2M3.5 3.5l.9.9M11.6 11.6l.9.9M3.5 12.5l.9-.9M11.6 4.4l.9-.9" />`),
  moon: () => path('M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z'),
  auto: () => line(html`<circle cx="8" cy="8" r="5.8" /><path d="M8 2.2v11.6a5.8 5.8 0 0 0 0-11.6z" fill="currentColor" />`),
  keyboard: () => line(html`<rect x="1.5" y="4" width="13" height="8" rx="1.5" /><path d="M4.2 6.7h.01M6.7 6.7h.01M9.3 6.7h.01M11.8 6.7h.01M5 9.4h6" />`),
  plus: () => path('M8 3v10M3 8h10'),
  play: () => line(html`<path d="M5 3.3v9.4l7.5-4.7z" fill="currentColor" />`),
  pause: () => path('M5.5 3.5v9M10.5 3.5v9'),
  stop: () => line(html`<rect x="4" y="4" width="8" height="8" rx="1" fill="currentColor" />`),
  retry: () => path('M13 8a5 5 0 1 1-1.6-3.7M13 2.3v2.9h-2.9'),
  copy: () => line(html`<rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" />`),
  check: () => path('M3.5 8.5l3 3 6-7'),
  close: () => path('M4 4l8 8M12 4l-8 8'),
  down: () => path('M8 3v9.5M4 8.7l4 4 4-4'),
  chevron: () => path('M6 4l4 4-4 4'),
  back: () => path('M10 4L6 8l4 4'),
  download: () => path('M8 2.5v7.5M4.8 7L8 10.2 11.2 7M3 13.5h10'),
  wrap: () => path('M2.5 4h11M2.5 8h8.7a2 2 0 0 1 0 4H8M9.5 10.5L8 12l1.5 1.5M2.5 12h2.5'),
  clock: () => line(html`<circle cx="8" cy="8" r="5.8" /><path d="M8 4.8V8l2.2 1.6" />`),
  search: () => line(html`<circle cx="7" cy="7" r="4.3" /><path d="M10.3 10.3L13.5 13.5" />`),
  edit: () => path('M10.8 2.8l2.4 2.4L5.5 12.9l-3 .6.6-3z'),
  trash: () => path('M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5'),
  more: () => line(html`<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.2" />`),
  drain: () => path('M8 2.2c2.4 2.9 3.8 4.9 3.8 6.9a3.8 3.8 0 0 1-7.6 0c0-2 1.4-4 3.8-6.9z'),
};
