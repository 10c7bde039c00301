// @ts-check
// Names of jobs, pipelines and workers: executions contain only their ids.
import { signal } from '@preact/signals';
import { get } from './api.js';
import { commandTitle, shortId } from './format.js';

const known = { jobs: signal(new Map()), pipelines: signal(new Map()), workers: signal(new Map()) };
const asked = new Set();

/** Stores the names of records that a view has read. */
export function learn(kind, items) {
  const map = new Map(known[kind].peek());
  let news = false;
  for (const item of items) {
    const name = item.name ?? '';
    if (map.get(item.id) !== name) { map.set(item.id, name); news = true; }
  }
  if (news) known[kind].value = map;
}

/** The name, or '' until it is loaded; it is requested once. */
function name(kind, id) {
  if (!id) return '';
  const found = known[kind].value.get(id);
  if (found === undefined && !asked.has(id)) {
    asked.add(id);
    get(`/${kind}/${id}`).then((item) => learn(kind, [item]), () => {});
  }
  return found ?? '';
}

export const pipelineName = (id) => name('pipelines', id) || (id ? shortId(id) : '');
export const jobName = (id) => name('jobs', id);
export const workerName = (id) => name('workers', id) || (id ? shortId(id) : '');

/** The title of an execution: its job, or its command. */
export const title = (e) => (e.job_id && jobName(e.job_id)) || commandTitle(e.command) || shortId(e.id);
