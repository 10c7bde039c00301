// @ts-check
// Hooks with their deliveries, and notifications, read again when runs change.
import { useEffect } from 'preact/hooks';
import { all, get } from './api.js';
import { useLoad } from './use.js';

const MOST = 200; // records of a list
const SOON = 2000; // ms
const again = { on: ({ kind }) => kind === 'run', every: SOON };

/** Reads again while something is PENDING: its end is no event. */
function useSettled(load, items) {
  const open = items?.some((item) => item.status === 'PENDING');
  useEffect(() => {
    if (!open) return undefined;
    const timer = setTimeout(load.reload, SOON);
    return () => clearTimeout(timer);
  }, [items]);
  return load;
}

/** The hooks that match the query. */
export const useHooks = (query) => useLoad((signal) => all('/hooks', query, signal, MOST), [JSON.stringify(query)], again);

/** One hook with its last deliveries in a state. */
export function useHook(id, status) {
  const load = useLoad(async (signal) => {
    const [hook, deliveries] = await Promise.all([get(`/hooks/${id}`, {}, signal), get(`/hooks/${id}/deliveries`, { limit: 100, status }, signal)]);
    return { hook, deliveries: deliveries.items };
  }, [id, status], again);
  return useSettled(load, load.data?.deliveries);
}

/** The last notifications that match the query. */
export function useNotifications(query) {
  const load = useLoad(async (signal) => (await get('/notifications', { ...query, limit: 100 }, signal)).items, [JSON.stringify(query)], again);
  return useSettled(load, load.data);
}

/** For which events a hook starts runs, in words. */
export function starts(hook) {
  if (hook.kind === 'generic') return 'any event';
  const globs = [['branches', hook.branches], ['tags', hook.tags], ['paths', hook.paths]];
  return [(hook.events ?? ['push', 'pull_request']).join(' '), ...globs.filter(([, g]) => g?.length).map(([name, g]) => `${name}: ${g.join(' ')}`)].join('; ');
}

export const hookName = (hook) => `${hook.pipeline ?? hook.pipeline_id}: ${hook.kind}`;
