// @ts-check
// Hooks that read from the API, and read again after events.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { harmless } from './harmless.js';
import { epoch, listen, ready } from './live.js';

/** The current time, updated every second. */
export const now = signal(Date.now());
setInterval(() => { now.value = Date.now(); }, 1000);

/**
 * Reads with load(signal) at first, when deps change, when events may have been
 * missed, and after an event for which `on` is true, at most once in `every`
 * milliseconds. Answers may be `age` milliseconds old: an answer that may predate
 * the last event or the first request is requested once more.
 *
 * It reads once the stream of events is open, and change() is for events: it also changes
 * the answer that is under way, which may be older than the event. set() is for the rest.
 *
 * @param {(signal: AbortSignal) => Promise<any>} load @param {any[]} deps
 * @param {{on?: (event: {kind: string, data: any}) => boolean, every?: number, age?: number}} [again]
 * @returns {{data: any, error: any, reload: () => void, set: (change: (data: any) => any) => void, change: (change: (data: any) => any) => void}}
 */
export function useLoad(load, deps, { on, every = 1000, age = 0 } = {}) {
  const [state, setState] = useState({ data: undefined, error: null });
  const current = useRef({ load, on, timer: 0, last: 0, received: performance.now(), stop: null, keep: -1, missed: /** @type {((data: any) => any)[] | null} */ (null) });
  Object.assign(current.current, { load, on });

  const soon = useCallback(() => {
    const c = current.current;
    if (!c.timer) c.timer = window.setTimeout(run, Math.max(0, c.last + every - performance.now()));
  }, []);
  const run = useCallback(async () => {
    const c = current.current;
    clearTimeout(c.timer);
    c.timer = 0;
    c.last = performance.now();
    c.stop?.abort();
    const stop = c.stop = new AbortController();
    const missed = c.missed = []; // changes by events until the answer arrives
    try {
      await ready;
      const data = await c.load(stop.signal);
      if (stop.signal.aborted) return;
      setState({ data: missed.reduce((d, change) => change(d), data), error: null });
      if (c.last - c.received < age) soon();
    } catch (error) {
      if (stop.signal.aborted) return;
      setState((s) => ({ data: s.data, error }));
      if (!c.timer && (!error.status || error.status >= 500)) c.timer = window.setTimeout(run, 3000);
    } finally {
      if (c.stop === stop) c.stop = c.missed = null;
    }
  }, []);

  const at = epoch.value;
  useEffect(() => {
    setState((s) => (current.current.keep === at ? { data: undefined, error: null } : s)); // other deps: other data
    current.current.keep = at;
    run();
  }, [...deps, at]);
  useEffect(() => {
    const c = current.current;
    const unlisten = listen((event) => {
      if (!c.on?.(event)) return;
      c.received = performance.now();
      soon();
    });
    return () => { unlisten(); clearTimeout(c.timer); c.stop?.abort(); };
  }, []);

  const set = useCallback((change) => setState((s) => (s.data === undefined ? s : { ...s, data: change(s.data) })), []);
  const change = useCallback((fn) => {
    current.current.missed?.push(fn);
    set(fn);
  }, []);
  return { ...state, reload: run, set, change };
}

/** Calls fn with each event while the component is mounted. */
export function useEvents(fn) {
  const latest = useRef(fn);
  latest.current = fn;
  useEffect(() => listen((event) => latest.current(event)), []);
}

/** Sets the tab's title while the component is mounted. */
export function useTitle(title) {
  useEffect(() => { document.title = title ? `${harmless(title)} · Hodei` : 'Hodei'; }, [title]);
}
