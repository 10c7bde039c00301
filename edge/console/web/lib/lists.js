// @ts-check
// Lists that events keep up to date: executions, running executions, the fleet,
// and the last runs of a job.
import { useEffect, useRef } from 'preact/hooks';
import { all, get } from './api.js';
import { learn } from './names.js';
import { useEvents, useLoad } from './use.js';

const PAGE = 50;
const MOST = 500; // executions in a list: a tab left open stays small
const RUNNING = 1000; // that run, as far as they are followed one by one
export const RECENT = 20; // last runs of a job or pipeline
const CHECKS = [1500, 20_000, 50_000]; // ms after the end of a worker's lease: when its record may have the reason

/** Inserts or updates an execution in a list, newest first. */
function enter(items, e) {
  const at = items.findIndex((x) => x.id === e.id);
  if (at >= 0) return items.with(at, e);
  const before = items.findIndex((x) => x.id < e.id);
  return items.toSpliced(before < 0 ? items.length : before, 0, e);
}

const without = (items, e) => (items.some((x) => x.id === e.id) ? items.filter((x) => x.id !== e.id) : items);

/**
 * A page of the records that match the query, kept up to date by the events of which
 * recordOf returns a record; more() reads the next.
 */
export function usePaged(path, query, recordOf) {
  const list = useLoad((signal) => get(path, { limit: PAGE, ...query }, signal), [JSON.stringify(query)]);
  const fits = (e) => Object.entries(query).every(([name, value]) => !value || e[name] === value);
  useEvents((event) => {
    const e = recordOf(event);
    if (!e) return;
    list.change((page) => {
      const { items } = page;
      if (!fits(e)) return items.some((x) => x.id === e.id) ? { ...page, items: without(items, e) } : page;
      if (items.length && e.id < items.at(-1).id && page.next_cursor) return page; // on a later page
      const more = enter(items, e);
      if (more.length <= MOST) return { ...page, items: more };
      return { items: more.slice(0, -1), next_cursor: more.at(-2).id };
    });
  });
  const more = async () => {
    const page = await get(path, { limit: PAGE, ...query, cursor: list.data.next_cursor });
    list.set((old) => ({ items: [...old.items, ...page.items.filter((e) => !old.items.some((x) => x.id === e.id))], next_cursor: page.next_cursor }));
  };
  return { ...list, more };
}

/** A page of the executions that match the query. */
export const useExecutions = (query) => usePaged('/executions', query, ({ kind, data }) => kind === 'execution' && data.execution);

/** The last ended executions. */
export function useEnded(most) {
  const ended = (e) => e.completed_at !== null;
  const list = useLoad(async (signal) => (await get('/executions', { limit: 30 }, signal)).items.filter(ended).slice(0, most), []);
  useEvents(({ kind, data }) => {
    if (kind === 'execution' && ended(data.execution)) list.change((items) => enter(items, data.execution).slice(0, most));
  });
  return list;
}

/** The running executions, up to a limit; above it, they are read again as executions end. */
export function useRunning() {
  const cut = useRef(false);
  const list = useLoad(async (signal) => {
    const items = await all('/executions', { status: 'RUNNING' }, signal, RUNNING);
    cut.current = items.length === RUNNING;
    return items;
  }, [], { on: ({ kind }) => kind === 'execution' && cut.current, every: 3000 });
  useEvents(({ kind, data }) => {
    if (kind !== 'execution') return;
    list.change((items) => {
      if (data.execution.status !== 'RUNNING') return without(items, data.execution);
      const more = enter(items, data.execution);
      cut.current ||= more.length > RUNNING;
      return more.slice(0, RUNNING);
    });
  });
  return list;
}

/** Applies an event to the runs. */
export function withRun(runs, e) {
  const run = { id: e.id, status: e.status, started_at: e.started_at, completed_at: e.completed_at };
  return enter(runs ?? [], run).slice(0, RECENT);
}

const byName = (a, b) => a.type.localeCompare(b.type) || (a.name ?? a.id).localeCompare(b.name ?? b.id, undefined, { numeric: true });

/** A worker's record merged with its latest report. */
export function withReport(w, report) {
  return { ...w, status: report.status, capacity: report.free, running: report.running.length, holds: report.running, load: report.load, cordoned: report.cordoned ?? false, last_seen_at: report.at };
}

/** All active workers, updated by their reports. */
export function useWorkers() {
  const reports = useRef(new Map());
  const timers = useRef(new Set());
  const list = useLoad(async (signal) => {
    const items = (await all('/workers', {}, signal)).map((w) => {
      const report = reports.current.get(w.id);
      return report && w.status !== 'OFFLINE' && w.status !== 'TERMINATED' ? withReport(w, report) : w;
    });
    learn('workers', items);
    return items.sort(byName);
  }, []);
  const later = (ms) => {
    const timer = setTimeout(() => { timers.current.delete(timer); list.reload(); }, ms);
    timers.current.add(timer);
  };
  useEffect(() => () => timers.current.forEach(clearTimeout), []);
  useEvents(({ kind, data }) => {
    if (kind !== 'worker') return;
    const id = data.worker_id;
    if (!data.availability) {
      reports.current.delete(id);
      if (!timers.current.size) CHECKS.forEach(later);
      return;
    }
    reports.current.set(id, data.availability);
    if (list.data && !list.data.some((w) => w.id === id && w.status !== 'TERMINATED' && w.status !== 'OFFLINE')) {
      if (!timers.current.size) later(300);
      return;
    }
    list.change((items) => items.map((w) => (w.id === id ? withReport(w, data.availability) : w)));
  });
  return list;
}
