// @ts-check
// All schedules, and what they plan for the coming day.
import { html } from 'htm/preact';
import { hourMinute, plural } from '../lib/format.js';
import { href, place, setQuery } from '../lib/router.js';
import { scheduleName, useDay, useSchedules } from '../lib/schedules.js';
import { useTitle } from '../lib/use.js';
import { Choices, Empty, Head, Loaded, Panel } from '../parts/basics.js';
import { ScheduleTable } from '../parts/schedules.js';

const states = [['', 'All'], ['false', 'Active'], ['true', 'Paused']];
const HOUR = 3_600_000; // ms
const MARKS = 96; // at most, of one schedule: four an hour

/** The coming day, one line for each schedule that plans something. */
function Day({ schedules }) {
  const day = useDay(schedules);
  const from = Date.now();
  const at = (time) => `${Math.min(99.6, Math.max(0, (100 * (time - from)) / (24 * HOUR)))}%`;
  const hours = [6, 12, 18].map((h) => Math.ceil((from + h * HOUR) / HOUR) * HOUR);
  return html`<${Panel} title="Next 24 hours"><${Loaded} of=${day}>${(planned) => (planned.size ? html`<div class="day">
    <div class="day-row" aria-hidden="true"><span></span><span class="day-scale">${hours.map((t) => html`<i key=${t} style=${{ left: at(t) }}>${hourMinute(t)}</i>`)}</span></div>
    ${schedules.filter((s) => planned.get(s.id)?.length).map((s) => {
    const times = planned.get(s.id);
    const step = Math.ceil(times.length / MARKS);
    return html`<div class="day-row" key=${s.id}><a href=${href(`/schedules/${s.id}`)}>${s.pipeline && s.name ? `${s.pipeline}: ` : ''}${scheduleName(s)}</a>
      <span class="day-track" role="img" aria-label=${`${plural(times.length, 'time')}, the first at ${hourMinute(times[0])}`} title=${times.slice(0, 20).map(hourMinute).join(' ')}>
        ${times.filter((_, i) => i % step === 0).map((t) => html`<i key=${t} style=${{ left: at(Date.parse(t)) }}></i>`)}</span></div>`;
  })}</div>` : html`<p class="quiet">Nothing is planned</p>`)}</${Loaded}></${Panel}>`;
}

export function Schedules() {
  useTitle('Schedules');
  const paused = place.value.query.get('paused') ?? '';
  const list = useSchedules({ paused });
  return html`<${Head} title="Schedules" sub="What starts by the clock" />
    <div class="toolbar"><${Choices} label="State" options=${states} value=${paused} onChange=${(value) => setQuery({ paused: value })} /></div>
    <${Loaded} of=${list}>${(items) => (items.length ? html`<${Day} schedules=${items} />
      <section class="panel flush"><${ScheduleTable} items=${items} reload=${list.reload} /></section>`
    : html`<${Empty} title=${paused ? 'No schedule in this state' : 'No schedules'} text="Put one under schedules in hodei.yaml, or create it by command:" command="hodei schedule create --pipeline release --cron '0 3 * * 1-5' --timezone Europe/Madrid" />`)}</${Loaded}>`;
}
