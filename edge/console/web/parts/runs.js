// @ts-check
// Runs as rows, wherever they are listed; and what one may do with a run.
import { html } from 'htm/preact';
import { create, newKey, post } from '../lib/api.js';
import { go, href } from '../lib/router.js';
import { pipelineName } from '../lib/names.js';
import { plural } from '../lib/format.js';
import { runName } from '../lib/runs.js';
import { Age, Elapsed } from './basics.js';
import { attempt, confirm } from './dialog.js';
import { Status } from './status.js';

const kinds = { manual: 'by hand', api: 'by API', schedule: 'on schedule', push: 'by a push', tag: 'by a tag', pull_request: 'by a pull request', hook: 'by a webhook', rerun: 'as a rerun', pipeline: 'by a pipeline' };

/** Who or what started a run. */
export const trigger = (run) => [run.parent ? `by ${parentName(run.parent)}` : run.trigger.by && run.trigger.by !== 'anonymous' ? `by ${run.trigger.by}` : kinds[run.trigger.kind] ?? run.trigger.kind, run.trigger.pull_request && `#${run.trigger.pull_request}`].filter(Boolean).join(' ');

/** The job that has started a run: "release#42/smoke". */
export const parentName = (parent) => `${parent.pipeline ?? parent.run_id}#${parent.number}/${parent.job_key}`;

const branch = (run) => (run.ref ?? '').replace(/^refs\/(heads|tags)\//, '');

/** Params as "env=prod". */
export const paramsText = (run) => Object.entries(run.params ?? {}).map(([name, value]) => `${name}=${value}`).join(' ');

const Row = ({ run, of }) => html`<tr data-row class="row">
  <td class="col-title"><a class="row-link" href=${href(`/runs/${run.id}`)}>${of === 'pipeline' ? `#${run.number}` : runName(run, pipelineName(run.pipeline_id))}</a>
    <div class="under">${branch(run) && html`<span class="under-strong">${branch(run)}${run.commit ? ` @ ${run.commit.slice(0, 8)}` : ''}</span>`}<code>${paramsText(run)}</code></div></td>
  <td><${Status} status=${run.status} />${run.warnings > 0 && html` <span class="label">${plural(run.warnings, 'warning')}</span>`}</td>
  <td class="wide faint">${trigger(run)}</td>
  <td class="num wide"><${Age} time=${run.created_at} /></td>
  <td class="num"><${Elapsed} from=${run.started_at} to=${run.completed_at} /></td></tr>`;

export const RunTable = ({ items, of = '' }) => html`<div class="scroll-x"><table class="rows runs" aria-label="Runs">
  <thead><tr><th>Run</th><th>State</th><th class="wide">Started</th><th class="num wide">When</th><th class="num">Took</th></tr></thead>
  <tbody>${items.map((run) => html`<${Row} key=${run.id} run=${run} of=${of} />`)}</tbody></table></div>`;

/** Cancels a run. */
export const cancelRun = (run, name, reload) => confirm({
  title: `Cancel ${name}?`, text: 'What runs gets a TERM signal, and nothing more begins, except the jobs under finally.', yes: 'Cancel it',
  act: async () => { await post(`/runs/${run.id}/cancel`); reload(); },
});

/** Runs again what failed, or everything, and shows the new run. */
export async function rerun(run, jobs) {
  const made = await attempt(() => create(`/runs/${run.id}/rerun`, { jobs }, newKey()));
  if (made) go(href(`/runs/${made.id}`));
}
