// @ts-check
// Runs of pipelines, kept up to date by events.
import { get } from './api.js';
import { usePaged } from './lists.js';
import { useLoad } from './use.js';

const EVERY = 400; // ms between two readings, however many events come

/** One run with its jobs. */
export const useRun = (id) => useLoad((signal) => get(`/runs/${id}`, {}, signal), [id], {
  on: ({ kind, data }) => (kind === 'run' ? data.run.id : kind === 'execution' && data.execution.run_id) === id, every: EVERY,
});

/** A page of the runs that match the query. */
export const useRuns = (query) => usePaged('/runs', query, ({ kind, data }) => kind === 'run' && data.run);

/** A run by the name that people use: "release#42". */
export const runName = (run, pipeline) => `${run.pipeline ?? pipeline}#${run.number}`;
