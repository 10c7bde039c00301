// @ts-check
// Small parts that all views use.
import { html } from 'htm/preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import { computed } from '@preact/signals';
import { now } from '../lib/use.js';
import { ago, dateTime, ticking, duration } from '../lib/format.js';
import { icons } from './icons.js';

/** The head of a view. */
export const Head = ({ title, above = null, sub = null, children = null }) => html`
  <header class="head">
    <div class="head-text">${above && html`<div class="crumbs">${above}</div>`}<h1>${title}</h1>${sub && html`<p class="sub">${sub}</p>`}</div>
    ${children && html`<div class="actions">${children}</div>`}
  </header>`;

/** A titled block. */
export const Panel = ({ title, aside = null, children, cls = '' }) => html`
  <section class="panel ${cls}">
    ${title && html`<div class="panel-head"><h2>${title}</h2>${aside}</div>`}
    ${children}
  </section>`;

/** An empty state, with a hint how to fill it. */
export const Empty = ({ title, text = null, command = '', children = null }) => html`
  <div class="empty"><p class="empty-title">${title}</p>${text && html`<p>${text}</p>`}
    ${command && html`<${Command} text=${command} />`}${children}</div>`;

/** A shell command with a copy button. */
export function Command({ text }) {
  return html`<div class="command"><span aria-hidden="true" class="prompt">$</span><code>${text}</code><${Copy} text=${text} what="the command" /></div>`;
}

/** Copies a text. Over plain HTTP the browser offers no clipboard API, so a selection is copied instead. */
export function Copy({ text, what }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement('textarea'), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1200);
  };
  return html`<button type="button" class="ghost tiny" onClick=${copy} title=${`Copy ${what}`} aria-label=${`Copy ${what}`}>
    ${done ? icons.check() : icons.copy()}</button>`;
}

/** An error of a request. */
export const Failure = ({ error, retry = null }) => html`
  <div class="failure" role="alert">
    <p><strong>${error.message}</strong></p>
    ${error.details && html`<p>${error.details.field}: ${error.details.issue}</p>`}
    <p class="faint small">${error.code}${error.requestId && html` · <span class="mono">${error.requestId}</span>`}</p>
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;

/** The error, the loading state, or the content of a view. */
export function Loaded({ of, children }) {
  if (of.error && of.data === undefined) return html`<${Failure} error=${of.error} retry=${of.reload} />`;
  if (of.data === undefined) return html`<div class="loading" aria-busy="true"><span class="visually-hidden">Loading</span></div>`;
  return html`${of.error && html`<p class="stale" role="status">Not up to date: ${of.error.message}</p>`}${children(of.data)}`;
}

/** How long ago. The clock updates the text itself, so that a thousand ages are not rendered every second. */
export function Age({ time }) {
  const text = useMemo(() => computed(() => ago(time, now.value)), [time]);
  return time ? html`<time datetime=${time} title=${dateTime(time)}>${text}</time>` : '–';
}

/** The duration, or the time so far. */
export function Elapsed({ from, to }) {
  const text = useMemo(() => computed(() => ticking((now.value - Date.parse(from)) / 1000)), [from]);
  if (!from) return '–';
  return to ? duration((Date.parse(to) - Date.parse(from)) / 1000) : html`${text}`;
}

/** A button that is disabled while its action runs. */
export function Button({ onClick, cls = '', icon = '', children, ...rest }) {
  const [busy, setBusy] = useState(false);
  const shown = useRef(true);
  const click = async (event) => {
    setBusy(true);
    try { await onClick(event); } finally { if (shown.current) setBusy(false); }
  };
  return html`<button type="button" class=${cls} disabled=${busy} onClick=${click} ...${rest}>${icon && icons[icon]()}${children}</button>`;
}

/** A group of choices, one of which is selected. The view keeps the value in the URL. */
export const Choices = ({ label, options, value, onChange }) => html`
  <div class="choices" role="group" aria-label=${label}>${options.map(([key, text, count]) => html`
    <button type="button" key=${key} aria-pressed=${value === key ? 'true' : 'false'} onClick=${() => onChange(key)}>
      ${text}${count !== undefined && html`<span class="count">${count}</span>`}</button>`)}</div>`;

/** Name and value pairs. */
export const Facts = ({ items }) => html`<dl class="facts">${items.filter(Boolean).map(([name, value]) => html`
  <div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** Labels such as zone=a. */
export const Labels = ({ labels }) => Object.entries(labels ?? {}).map(([k, v]) => html`<span class="label" key=${k}>${k}=${v}</span>`);
