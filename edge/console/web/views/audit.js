// @ts-check
// The audit log: who asked for what, and with which outcome.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { moment, words } from '../lib/format.js';
import { href, place, setQuery } from '../lib/router.js';
import { useLoad, useTitle } from '../lib/use.js';
import { Choices, Empty, Head, Loaded } from '../parts/basics.js';
import { More } from '../parts/executions.js';

const PAGE = 100;
const outcomes = [['', 'All'], ['OK', 'Done'], ['FORBIDDEN', 'Not allowed'], ['UNAUTHENTICATED', 'Not signed in']];
const pages = { pipeline: 'pipelines', job: 'jobs', run: 'runs', execution: 'executions', worker: 'workers', schedule: 'schedules', hook: 'hooks' };

/** The records, newest first, read again after events; more() reads the next. */
function useAudit(query) {
  const list = useLoad((signal) => get('/audit', { limit: PAGE, ...query }, signal), [JSON.stringify(query)], { on: () => true, every: 3000 });
  const more = async () => {
    const page = await get('/audit', { limit: PAGE, ...query, cursor: list.data.next_cursor });
    list.set((old) => ({ items: [...old.items, ...page.items], next_cursor: page.next_cursor }));
  };
  return { ...list, more };
}

const What = ({ record: r }) => {
  if (!r.resource_id) return r.resource ?? '–';
  const page = pages[r.resource];
  return page ? html`<a class="mono" href=${href(`/${page}/${r.resource_id}`)}>${r.resource_id}</a>` : html`<span class="mono">${r.resource_id}</span>`;
};

const Row = ({ record: r }) => html`<tr data-row class="row">
  <td><time datetime=${r.at}>${moment(r.at)}</time></td>
  <td><button type="button" class="ghost tiny" onClick=${() => setQuery({ name: r.name })} title="Only this name">${r.name || r.kind}</button>${r.role && html` <span class="faint">${r.role}</span>`}</td>
  <td class="mono">${r.operation}</td><td><${What} record=${r} /></td>
  <td>${r.outcome === 'OK' ? 'done' : html`<span class="label">${words(r.outcome)}</span>`}</td><td class="wide mono faint">${r.address}</td></tr>`;

export function Audit() {
  useTitle('Audit log');
  const { query } = place.value;
  const outcome = query.get('outcome') ?? '';
  const name = query.get('name') ?? '';
  const list = useAudit({ outcome, name });
  return html`<${Head} title="Audit log" sub="Requests that changed something or were refused" />
    <div class="toolbar"><${Choices} label="Outcome" options=${outcomes} value=${outcome} onChange=${(value) => setQuery({ outcome: value })} />
      ${name && html`<button type="button" onClick=${() => setQuery({ name: '' })}>Only ${name} ✕</button>`}</div>
    <section class="panel flush"><${Loaded} of=${list}>${({ items }) => (items.length ? html`<div class="scroll-x"><table class="rows" aria-label="Audit log">
      <thead><tr><th>When</th><th>Who</th><th>Operation</th><th>Record</th><th>Outcome</th><th class="wide">From</th></tr></thead>
      <tbody>${items.map((r) => html`<${Row} key=${r.id} record=${r} />`)}</tbody></table></div><${More} list=${list} />`
    : html`<${Empty} title="No records" text=${name || outcome ? 'None match.' : 'Without --auth nothing is recorded, because no caller is known.'} />`)}</${Loaded}></section>`;
}
