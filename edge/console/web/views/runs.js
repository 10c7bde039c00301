// @ts-check
// The runs of all pipelines, by state.
import { html } from 'htm/preact';
import { useTitle } from '../lib/use.js';
import { useRuns } from '../lib/runs.js';
import { place, setQuery } from '../lib/router.js';
import { Choices, Empty, Head, Loaded } from '../parts/basics.js';
import { More } from '../parts/executions.js';
import { RunTable } from '../parts/runs.js';

const states = [['', 'All'], ['RUNNING', 'Running'], ['PENDING', 'Queued'], ['COMPLETED', 'Completed'], ['FAILED', 'Failed'], ['CANCELLED', 'Cancelled'], ['TIMED_OUT', 'Timed out']];

export function Runs() {
  useTitle('Runs');
  const status = place.value.query.get('status') ?? '';
  const list = useRuns({ status });
  return html`<${Head} title="Runs" />
    <div class="toolbar"><${Choices} label="State" options=${states} value=${status} onChange=${(value) => setQuery({ status: value })} /></div>
    <section class="panel flush"><${Loaded} of=${list}>${({ items }) => (items.length ? html`<${RunTable} items=${items} /><${More} list=${list} />`
    : html`<${Empty} title=${status ? 'No run in this state' : 'No run yet'} text="A run executes all jobs of a pipeline. Start one from its page, or by command:" command="hodei run release" />`)}</${Loaded}></section>`;
}
