// @ts-check
// The one stream of the tab: what happens to executions and workers, fanned out
// to whichever views are shown.
import { batch, signal } from '@preact/signals';
import { API } from './api.js';
import { follow } from './sse.js';

/** "connecting", "live" or "lost". */
export const connection = signal('connecting');

/** Rises when what is shown must be read anew: events may have been missed. */
export const epoch = signal(0);

const listeners = new Set();

/** Calls fn with each event, {kind, data}, until the returned function is called. */
export function listen(fn) {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

const OFTEN = 100; // ms between two handings on, however many events come
const SELDOM = 1000; // and where drawing what they change takes long
let waiting = [];
let scheduled = false;
let pause = OFTEN;

function hand() {
  const began = performance.now();
  const drawn = () => { pause = Math.min(SELDOM, Math.max(OFTEN, 4 * (performance.now() - began))); }; // most of the time is the user's
  requestAnimationFrame(() => setTimeout(drawn));
  scheduled = false;
  const events = waiting;
  waiting = [];
  batch(() => {
    for (const event of events) for (const fn of listeners) fn(event);
  });
}

function take(frames) {
  for (const frame of frames) {
    if (frame.event === 'resync') epoch.value++;
    else if (frame.data) waiting.push({ kind: frame.event, data: JSON.parse(frame.data) });
  }
  if (scheduled || !waiting.length) return;
  scheduled = true;
  setTimeout(hand, pause);
}

/** Keeps the stream open while the page is shown, or may be again. */
export function start() {
  let stop = open();
  // A page that the browser keeps for going back must not keep its connection.
  const hide = () => stop();
  const show = (event) => { if (event.persisted) { stop = open(); epoch.value++; } };
  window.addEventListener('pagehide', hide);
  window.addEventListener('pageshow', show);
  return () => {
    window.removeEventListener('pagehide', hide);
    window.removeEventListener('pageshow', show);
    stop();
  };
}

function open() {
  const stop = new AbortController();
  let opened = false;
  follow(`${API}/events?follow=true`, {
    signal: stop.signal,
    frames: take,
    open() {
      if (opened && connection.value === 'lost') epoch.value++; // services may have missed what streams resume
      opened = true;
      connection.value = 'live';
    },
    lost() { connection.value = 'lost'; },
  }).catch(() => { connection.value = 'lost'; });
  return () => stop.abort();
}
