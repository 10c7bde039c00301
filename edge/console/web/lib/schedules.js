// @ts-check
// Schedules, read again when something starts or ends.
import { all, get } from './api.js';
import { duration } from './format.js';
import { useLoad } from './use.js';

const DAY = 86_400_000; // ms
const MOST = 200; // schedules that are read
const again = { on: ({ kind }) => kind === 'run' || kind === 'execution', every: 2000 };

/** The schedules that match the query. */
export const useSchedules = (query) => useLoad((signal) => all('/schedules', query, signal, MOST), [JSON.stringify(query)], again);

/** One schedule with its next planned times and its last fires. */
export const useSchedule = (id) => useLoad(async (signal) => {
  const [schedule, next, fires] = await Promise.all([get(`/schedules/${id}`, {}, signal),
    get(`/schedules/${id}/next`, { n: 5 }, signal), get(`/schedules/${id}/fires`, { limit: 50 }, signal)]);
  return { schedule, next: next.items, fires: fires.items };
}, [id], again);

/** The planned times of the coming day, by the id of the schedule. */
export const useDay = (schedules) => useLoad(async (signal) => {
  const until = new Date(Date.now() + DAY).toISOString();
  const active = schedules.filter((s) => s.next_at && Date.parse(s.next_at) < Date.now() + DAY);
  return new Map(await Promise.all(active.map(async (s) => [s.id, (await get(`/schedules/${s.id}/next`, { n: 500, until }, signal)).items])));
}, [schedules.map((s) => `${s.id} ${s.next_at}`).join()]);

/** When a schedule fires, in words: "every 1 min", "0 3 * * 1-5 Europe/Madrid". */
export function times(s) {
  if (s.every_seconds) return `every ${duration(s.every_seconds).replace('.0 s', ' s')}`;
  return [s.cron || s.at, s.cron && s.timezone !== 'UTC' && s.timezone].filter(Boolean).join(' ');
}

export const scheduleName = (s) => s.name || times(s);
