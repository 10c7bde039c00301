// @ts-check
// All pipelines, each with its last runs.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { useEvents, useLoad, useTitle } from '../lib/use.js';
import { RECENT, withRun } from '../lib/lists.js';
import { learn } from '../lib/names.js';
import { go, href, place, setQuery } from '../lib/router.js';
import { may } from '../lib/me.js';
import { useKeys } from '../lib/keys.js';
import { number } from '../lib/format.js';
import { Age, Button, Empty, Head, Loaded } from '../parts/basics.js';
import { attempt } from '../parts/dialog.js';
import { icons } from '../parts/icons.js';
import { Marks, Sparkline, Status } from '../parts/status.js';

const Row = ({ p }) => html`<tr data-row class="row">
  <td class="col-title"><a class="row-link" href=${href(`/pipelines/${p.id}`)}>${p.name}</a>${p.description && html`<div class="under">${p.description}</div>`}</td>
  <td class="wide">${p.last_execution ? html`<${Status} status=${p.last_execution.status} />` : html`<span class="faint">–</span>`}</td>
  <td class="col-marks"><${Marks} runs=${p.recent} most=${RECENT} /></td>
  <td class="col-spark wide"><${Sparkline} runs=${p.recent} /></td>
  <td class="num wide">${number(p.job_count)}</td>
  <td class="num wide"><${Age} time=${p.last_execution?.started_at ?? p.updated_at} /></td></tr>`;

export function Pipelines() {
  const list = useLoad(async (signal) => {
    const page = await get('/pipelines', { limit: 100, recent: RECENT }, signal);
    learn('pipelines', page.items);
    return page;
  }, []);
  useEvents(({ kind, data }) => {
    const e = data.execution;
    if (kind !== 'execution' || !e.pipeline_id) return;
    list.change((page) => ({ ...page, items: page.items.map((p) => {
      if (p.id !== e.pipeline_id) return p;
      const recent = withRun(p.recent, e);
      return { ...p, recent, last_execution: recent[0] };
    }) }));
  });
  useTitle('Pipelines');
  useKeys({
    c: { what: 'Create a pipeline', role: 'operator', run: () => go(href('/pipelines/new')) },
    '/': { what: 'Filter by name', run: () => /** @type {HTMLElement} */ (document.querySelector('.filter-box'))?.focus() },
  });
  const wanted = (place.value.query.get('name') ?? '').toLowerCase();
  const more = async () => {
    const page = await attempt(() => get('/pipelines', { limit: 100, recent: RECENT, cursor: list.data.next_cursor }));
    if (page) list.set((old) => ({ ...page, items: [...old.items, ...page.items] }));
  };
  return html`<${Head} title="Pipelines">${may('operator') && html`<a class="button primary" href=${href('/pipelines/new')}>${icons.plus()}New pipeline</a>`}</${Head}>
    <${Loaded} of=${list}>${(page) => {
    if (!page.items.length) return html`<${Empty} title="No pipelines yet" text="A pipeline groups jobs. Create one here or from the CLI:" command="hodei pipeline create demo" />`;
    const shown = page.items.filter((p) => p.name.toLowerCase().includes(wanted));
    return html`<div class="toolbar"><input class="filter-box" type="search" placeholder="Filter by name" aria-label="Filter by name" value=${wanted} onInput=${(e) => setQuery({ name: e.currentTarget.value })} /></div>
      ${shown.length ? html`<section class="panel flush"><div class="scroll-x"><table class="rows pipelines" aria-label="Pipelines">
      <thead><tr><th>Pipeline</th><th class="wide">Last run</th><th>Recent runs</th><th class="wide">Duration</th><th class="num wide">Jobs</th><th class="num wide">Last activity</th></tr></thead>
      <tbody>${shown.map((p) => html`<${Row} key=${p.id} p=${p} />`)}</tbody></table></div></section>` : html`<${Empty} title=${`No pipelines match "${wanted}"`} />`}
      ${page.next_cursor && html`<p class="more"><${Button} onClick=${more}>Show more</${Button}></p>`}`;
  }}</${Loaded}>`;
}
