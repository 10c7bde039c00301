// @ts-check
// The keys of the workers that have joined with a token.
import { all } from './api.js';
import { useLoad } from './use.js';

/** Whether the worker waits for an operator. */
export const waits = (k) => !k.approved_at && !k.revoked_at;

/** The newest keys, those that wait first. They are read again after a worker has come or gone. */
export const useWorkerKeys = () => useLoad(async (signal) => {
  const keys = await all('/workers/keys', {}, signal);
  return [...keys.filter(waits), ...keys.filter((k) => !waits(k))];
}, [], { on: ({ kind, data }) => kind === 'worker' && !data.availability });
