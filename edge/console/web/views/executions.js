// @ts-check
// Every execution, newest first, filtered by what the URL says.
import { html } from 'htm/preact';
import { all, get } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { learn, jobName, pipelineName, workerName } from '../lib/names.js';
import { place, setQuery } from '../lib/router.js';
import { shortId } from '../lib/format.js';
import { Button, Choices, Empty, Head, Loaded } from '../parts/basics.js';
import { ExecutionTable } from '../parts/executions.js';
import { attempt } from '../parts/dialog.js';
import { icons } from '../parts/icons.js';

const PAGE = 50;
const MOST = 500;
const states = [['', 'All'], ['RUNNING', 'Running'], ['PENDING', 'Pending'], ['COMPLETED', 'Completed'], ['FAILED', 'Failed'], ['TIMED_OUT', 'Timed out'], ['CANCELLED', 'Cancelled']];
const filters = [['pipeline_id', 'Pipeline', pipelineName], ['job_id', 'Job', (id) => jobName(id) || shortId(id)], ['worker_id', 'Worker', workerName]];

/** A page of executions that events keep up to date. */
export function useExecutions(query) {
  const list = useLoad((signal) => get('/executions', { limit: PAGE, ...query }, signal), [JSON.stringify(query)]);
  const fits = (e) => Object.entries(query).every(([name, value]) => !value || e[name] === value);
  useEvents(({ kind, data }) => {
    if (kind !== 'execution') return;
    list.set((page) => {
      const { items } = page;
      const e = data.execution;
      const at = items.findIndex((x) => x.id === e.id);
      if (!fits(e)) return at < 0 ? page : { ...page, items: items.toSpliced(at, 1) };
      if (at >= 0) return { ...page, items: items.with(at, e) };
      if (items.length && e.id < items.at(-1).id && page.next_cursor) return page; // on a later page
      const before = items.findIndex((x) => x.id < e.id);
      const more = items.toSpliced(before < 0 ? items.length : before, 0, e);
      if (more.length <= MOST) return { ...page, items: more };
      return { items: more.slice(0, -1), next_cursor: more.at(-2).id }; // a tab left open stays small
    });
  });
  const more = async () => {
    const page = await attempt(() => get('/executions', { limit: PAGE, ...query, cursor: list.data.next_cursor }));
    if (page) list.set((old) => ({ items: [...old.items, ...page.items.filter((e) => !old.items.some((x) => x.id === e.id))], next_cursor: page.next_cursor }));
  };
  return { ...list, more };
}

export const More = ({ list }) => list.data.next_cursor && html`<p class="more"><${Button} onClick=${list.more}>Show more</${Button}></p>`;

export function Executions() {
  const { query } = place.value;
  const wanted = Object.fromEntries(['status', ...filters.map(([name]) => name)].map((name) => [name, query.get(name) ?? '']));
  const list = useExecutions(wanted);
  useLoad(async (signal) => learn('jobs', await all('/jobs', {}, signal)), []);
  useTitle('Executions');
  return html`<${Head} title="Executions" />
    <div class="toolbar"><${Choices} label="State" options=${states} value=${wanted.status} onChange=${(status) => setQuery({ status })} />
      ${filters.filter(([name]) => wanted[name]).map(([name, text, say]) => html`<span class="filter" key=${name}>${text}: <b>${say(wanted[name])}</b>
        <button type="button" class="ghost tiny" aria-label=${`Remove the filter ${text}`} onClick=${() => setQuery({ [name]: '' })}>${icons.close()}</button></span>`)}</div>
    <${Loaded} of=${list}>${({ items }) => (items.length ? html`<section class="panel flush"><${ExecutionTable} items=${items} /></section><${More} list=${list} />`
    : Object.values(wanted).some(Boolean) ? html`<${Empty} title="No execution is like that" command=${`hodei execution ls${wanted.status ? ` --status ${wanted.status}` : ''}`} />`
      : html`<${Empty} title="Nothing has run yet" text="Run a command on the fleet:" command="hodei exec -- echo hello" />`)}</${Loaded}>`;
}
