// @ts-check
// The event stream of the tab, distributed to the mounted views.
import { batch, signal } from '@preact/signals';
import { API } from './api.js';
import { me } from './me.js';
import { follow } from './sse.js';

/** "connecting", "live" or "lost". */
export const connection = signal('connecting');

/** Increases when views must reload because events may have been missed. */
export const epoch = signal(0);

let tried;
/** Resolves when the stream is open for the first time, or cannot be opened for now. */
export const ready = new Promise((resolve) => { tried = resolve; });

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
  const drawn = () => { pause = Math.min(SELDOM, Math.max(OFTEN, 4 * (performance.now() - began))); }; // leave most of the time to the user
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

/** Keeps the stream open while the page is visible or may become visible again. */
export function start() {
  let stop = open();
  // A page in the browser's back/forward cache must not keep its connection.
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
      if (opened && connection.value === 'lost') epoch.value++; // lists may have missed events that streams resume
      opened = true;
      connection.value = 'live';
      tried();
    },
    lost() { connection.value = 'lost'; tried(); },
  }).catch((error) => {
    connection.value = 'lost';
    tried();
    if (error.status === 401) me.value = null;
  });
  return () => stop.abort();
}
