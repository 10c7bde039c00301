// @ts-check
// The messages about runs, and what became of them.
import { html } from 'htm/preact';
import { useNotifications } from '../lib/hooks.js';
import { href, place, setQuery } from '../lib/router.js';
import { pipelineName } from '../lib/names.js';
import { useTitle } from '../lib/use.js';
import { Choices, Empty, Head, Loaded } from '../parts/basics.js';
import { NotificationTable } from '../parts/notifications.js';

const states = [['', 'All'], ['PENDING', 'Pending'], ['DELIVERED', 'Delivered'], ['FAILED', 'Failed']];

export function Notifications() {
  useTitle('Notifications');
  const status = place.value.query.get('status') ?? '';
  const pipeline = place.value.query.get('pipeline_id') ?? '';
  const list = useNotifications({ status, pipeline_id: pipeline });
  return html`<${Head} title="Notifications" sub=${pipeline ? html`Messages about runs of <a href=${href(`/pipelines/${pipeline}`)}>${pipelineName(pipeline)}</a>` : 'Messages about runs, of 30 days'} />
    <div class="toolbar"><${Choices} label="State" options=${states} value=${status} onChange=${(value) => setQuery({ status: value })} /></div>
    <${Loaded} of=${list}>${(items) => (items.length ? html`<section class="panel flush"><${NotificationTable} items=${items} reload=${list.reload} /></section>`
    : html`<${Empty} title=${status ? 'No notification in this state' : 'No notifications'} text="Put the targets under notify in hodei.yaml, and try them by command:" command="hodei notify test shop" />`)}</${Loaded}>`;
}
