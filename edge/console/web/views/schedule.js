// @ts-check
// One schedule: when it fires next, and what became of its planned times.
import { html } from 'htm/preact';
import { del } from '../lib/api.js';
import { duration, moment } from '../lib/format.js';
import { may } from '../lib/me.js';
import { go, href } from '../lib/router.js';
import { scheduleName, times, useSchedule } from '../lib/schedules.js';
import { useTitle } from '../lib/use.js';
import { Age, Facts, Head, Loaded, Panel } from '../parts/basics.js';
import { confirm } from '../parts/dialog.js';
import { icons } from '../parts/icons.js';
import { Actions, FireTable, Target } from '../parts/schedules.js';

const params = (s) => Object.entries(s.params ?? {}).map(([name, value]) => `${name}=${value}`).join(' ');

const facts = (s) => [
  ['Starts', html`<${Target} schedule=${s} />`], ['Times', html`<code>${times(s)}</code>`],
  ['State', s.paused ? `paused${s.pause_reason === 'FAILURES' ? ' because its runs failed' : ''}` : 'active'],
  s.timezone && ['Time zone', s.timezone], ['Overlap', s.overlap ?? 'skip'], ['Catch up', s.catch_up ?? 'last'],
  s.jitter_seconds && ['Jitter', `up to ${duration(s.jitter_seconds)}`],
  s.pause_after_failures && ['Pauses after', `${s.pause_after_failures} failures in a row`],
  s.definition === 'repository' && ['Definition', 'the file in the repository'],
  params(s) && ['Params', html`<code>${params(s)}</code>`], ['From', s.defined ? 'the definition of the pipeline' : 'the API'],
];

const remove = (s) => confirm({
  title: `Delete ${scheduleName(s)}?`, text: 'It starts nothing any more. Its runs are kept.', yes: 'Delete schedule',
  act: async () => { await del(`/schedules/${s.id}`); go(href('/schedules')); },
});

export function Schedule({ id }) {
  const of = useSchedule(id);
  useTitle(of.data ? scheduleName(of.data.schedule) : 'Schedule');
  return html`<${Loaded} of=${of}>${({ schedule, next, fires }) => html`
    <${Head} title=${scheduleName(schedule)} above=${html`<a href=${href('/schedules')}>Schedules</a>`}>
      ${may('operator') && !schedule.defined && html`<button type="button" class="ghost" onClick=${() => remove(schedule)}>${icons.trash()}Delete</button>`}
      <${Actions} schedule=${schedule} reload=${of.reload} /></${Head}>
    <${Panel}><${Facts} items=${facts(schedule)} /></${Panel}>
    <${Panel} title="Next planned times">${next.length ? html`<ol class="plain">${next.map((t) => html`<li key=${t}><time datetime=${t}>${moment(t)}</time> <span class="faint"><${Age} time=${t} /></span></li>`)}</ol>`
    : html`<p class="quiet">None</p>`}</${Panel}>
    <${Panel} title="History" cls="flush">${fires.length ? html`<${FireTable} items=${fires} />` : html`<p class="quiet">It has not fired yet</p>`}</${Panel}>`}</${Loaded}>`;
}
