// @ts-check
// All executions, newest first, with the filters of the URL.
import { html } from 'htm/preact';
import { all } from '../lib/api.js';
import { useExecutions } from '../lib/lists.js';
import { useLoad, useTitle } from '../lib/use.js';
import { learn, jobName, pipelineName, workerName } from '../lib/names.js';
import { place, setQuery } from '../lib/router.js';
import { shortId } from '../lib/format.js';
import { Choices, Empty, Head, Loaded } from '../parts/basics.js';
import { ExecutionTable, More } from '../parts/executions.js';
import { icons } from '../parts/icons.js';

const states = [['', 'All'], ['RUNNING', 'Running'], ['PENDING', 'Pending'], ['COMPLETED', 'Completed'], ['FAILED', 'Failed'], ['TIMED_OUT', 'Timed out'], ['CANCELLED', 'Cancelled']];
/** @type {[string, string, (id: string) => string][]} */
const filters = [['pipeline_id', 'Pipeline', pipelineName], ['job_id', 'Job', (id) => jobName(id) || shortId(id)], ['worker_id', 'Worker', workerName]];

export function Executions() {
  const { query } = place.value;
  const wanted = Object.fromEntries(['status', ...filters.map(([name]) => name)].map((name) => [name, query.get(name) ?? '']));
  const list = useExecutions(wanted);
  useLoad(async (signal) => learn('jobs', await all('/jobs', {}, signal)), []);
  useTitle('Executions');
  return html`<${Head} title="Executions" />
    <div class="toolbar"><${Choices} label="State" options=${states} value=${wanted.status} onChange=${(status) => setQuery({ status })} />
      ${filters.filter(([name]) => wanted[name]).map(([name, text, format]) => html`<span class="filter" key=${name}>${text}: <b>${format(wanted[name])}</b>
        <button type="button" class="ghost tiny" aria-label=${`Remove filter ${text}`} onClick=${() => setQuery({ [name]: '' })}>${icons.close()}</button></span>`)}</div>
    <${Loaded} of=${list}>${({ items }) => (items.length ? html`<section class="panel flush"><${ExecutionTable} items=${items} /></section><${More} list=${list} />`
    : Object.values(wanted).some(Boolean) ? html`<${Empty} title="No matching executions" command=${`hodei execution ls${wanted.status ? ` --status ${wanted.status}` : ''}`} />`
      : html`<${Empty} title="Nothing has run yet" text="Run a command on the fleet:" command="hodei exec -- echo hello" />`)}</${Loaded}>`;
}
