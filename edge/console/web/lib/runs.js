// @ts-check
// Runs of pipelines, read again when something has happened to one.
import { get } from './api.js';
import { useLoad } from './use.js';

const PAGE = 50;
const EVERY = 400; // ms between two readings, however many events come

/** Whether an event is about a run that `of` picks. */
const about = (of) => ({ kind, data }) => {
  if (kind === 'run') return of(data.run);
  return kind === 'execution' && Boolean(data.execution.run_id) && of({ id: data.execution.run_id, pipeline_id: data.execution.pipeline_id });
};

/** One run with its jobs. */
export const useRun = (id) => useLoad((signal) => get(`/runs/${id}`, {}, signal), [id], { on: about((run) => run.id === id), every: EVERY });

/** A page of runs; more() reads another. */
export function useRuns(query) {
  const list = useLoad((signal) => get('/runs', { limit: PAGE, ...query }, signal), [JSON.stringify(query)], {
    on: about((run) => !query.pipeline_id || query.pipeline_id === run.pipeline_id), every: 1000,
  });
  const more = async () => {
    const page = await get('/runs', { limit: PAGE, ...query, cursor: list.data.next_cursor });
    list.set((old) => ({ items: [...old.items, ...page.items.filter((r) => !old.items.some((x) => x.id === r.id))], next_cursor: page.next_cursor }));
  };
  return { ...list, more };
}

/** A run by the name that people use: "release#42". */
export const runName = (run, pipeline) => `${run.pipeline ?? pipeline}#${run.number}`;
