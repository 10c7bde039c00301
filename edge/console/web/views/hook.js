// @ts-check
// One hook: what it starts, where it is posted to, and the log of its deliveries.
import { html } from 'htm/preact';
import { del } from '../lib/api.js';
import { hookName, starts, useHook } from '../lib/hooks.js';
import { may } from '../lib/me.js';
import { go, href, place, setQuery } from '../lib/router.js';
import { useTitle } from '../lib/use.js';
import { Age, Choices, Copy, Facts, Head, Loaded, Panel } from '../parts/basics.js';
import { confirm } from '../parts/dialog.js';
import { DeliveryTable } from '../parts/hooks.js';
import { icons } from '../parts/icons.js';

const states = [['', 'All'], ['STARTED', 'Started'], ['BLOCKED', 'Blocked'], ['REFUSED', 'Refused'], ['IGNORED', 'Ignored']];

const facts = (h) => [
  ['Pipeline', html`<a href=${href(`/pipelines/${h.pipeline_id}`)}>${h.pipeline ?? h.pipeline_id}</a>`],
  ['URL', html`<code>${h.url}</code><${Copy} text=${window.location.origin + h.url} what="the URL" />`],
  ['Starts for', starts(h)], ['Secret', html`<code>${h.secret}</code>`], h.kind !== 'generic' && ['Forks', h.forks || 'ignore'],
  h.definition === 'repository' && ['Definition', 'the file in the pushed commit'],
  h.refused_at && ['Last refused', html`<${Age} time=${h.refused_at} />: ${h.refusal}`], ['From', h.defined ? 'the definition of the pipeline' : 'the API'],
];

const remove = (h) => confirm({
  title: `Delete ${hookName(h)}?`, text: 'Its URL accepts nothing any more, and the log of its deliveries is deleted. Its runs are kept.', yes: 'Delete hook',
  act: async () => { await del(`/hooks/${h.id}`); go(href('/hooks')); },
});

export function Hook({ id }) {
  const status = place.value.query.get('status') ?? '';
  const of = useHook(id, status);
  useTitle(of.data ? hookName(of.data.hook) : 'Hook');
  return html`<${Loaded} of=${of}>${({ hook, deliveries }) => html`
    <${Head} title=${hookName(hook)} above=${html`<a href=${href('/hooks')}>Hooks</a>`}>
      ${may('admin') && !hook.defined && html`<button type="button" class="ghost" onClick=${() => remove(hook)}>${icons.trash()}Delete</button>`}</${Head}>
    <${Panel}><${Facts} items=${facts(hook)} /></${Panel}>
    <div class="toolbar"><${Choices} label="State" options=${states} value=${status} onChange=${(value) => setQuery({ status: value })} /></div>
    <${Panel} title="Deliveries" cls="flush">${deliveries.length ? html`<${DeliveryTable} items=${deliveries} reload=${of.reload} />`
    : html`<p class="quiet">${status ? 'No delivery in this state' : 'Nothing was delivered yet'}</p>`}</${Panel}>`}</${Loaded}>`;
}
