// @ts-check
// The jobs of a run as a graph. Each is a link that chooses it.
import { html } from 'htm/preact';
import { useMemo } from 'preact/hooks';
import { arrange, criticalPath, curve, nodes } from '../lib/graph.js';
import { place, setQuery } from '../lib/router.js';
import { plural } from '../lib/format.js';
import { Elapsed } from './basics.js';
import { jobOutcome } from './outcome.js';
import { Shape, statusLabel, tone } from './status.js';

/** Chooses a job of the run, in the address; the log beside the graph is its. */
const choose = (key) => (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  setQuery({ job: key });
};

const address = (key) => `?${new URLSearchParams({ ...Object.fromEntries(place.value.query), job: key })}`;

/** How the legs of a job stand: "3 of 4 completed". */
function legs(node) {
  const done = node.legs.filter((leg) => leg.status === 'COMPLETED' || leg.status === 'SKIPPED').length;
  return `${done} of ${plural(node.legs.length, 'leg')}`;
}

const Took = ({ of }) => of.started_at && html`<${Elapsed} from=${of.started_at} to=${of.completed_at} />`;

function Node({ at, chosen, critical }) {
  const { node } = at;
  const job = node.legs[0];
  const open = node.legs.some((leg) => leg.key === chosen);
  const text = node.folded ? legs(node) : jobOutcome(job);
  const target = open ? chosen : (node.legs.find((leg) => leg.status === node.status) ?? job).key;
  return html`<a class="node tone-${tone(node.status)} ${critical ? 'is-critical' : ''}" href=${address(target)} onClick=${choose(target)}
    aria-current=${open ? 'true' : undefined} style=${{ left: `${at.x}px`, top: `${at.y}px`, width: `${at.width}px`, height: `${at.height}px` }}
    title=${`${node.name}: ${statusLabel(node.status)}${job.message && !node.folded ? `, ${job.message}` : ''}${critical ? '; on the critical path' : ''}`}>
    <${Shape} status=${node.status} label=${statusLabel(node.status)} />
    <span class="node-text"><span class="node-name">${node.name}</span>${text && html`<span class="node-sub">${text}</span>`}</span>
    <span class="node-time num"><${Took} of=${node} /></span></a>`;
}

function Layer({ list, chosen, critical, label }) {
  const shape = list.map((node) => `${node.key}<${node.needs.join()}`).join(' ');
  const at = useMemo(() => arrange(list), [shape]); // the places change only with the graph
  const byKey = new Map(list.map((node) => [node.key, node]));
  return html`<div class="graph" role="group" aria-label=${label}><div class="graph-space" style=${{ width: `${at.width}px`, height: `${at.height}px` }}>
    <svg width=${at.width} height=${at.height} aria-hidden="true">${at.edges.map((edge) => html`
      <path key=${`${edge.from} ${edge.to}`} class=${critical.has(edge.from) && critical.has(edge.to) ? 'is-critical' : ''} d=${curve(edge.points)} />`)}</svg>
    ${at.nodes.map((place) => html`<${Node} key=${place.node.key} at=${{ ...place, node: byKey.get(place.node.key) }} chosen=${chosen} critical=${critical.has(place.node.key)} />`)}
  </div></div>`;
}

/** The legs of the chosen job, where it has several. */
export function Legs({ run, chosen }) {
  const job = run.jobs.find((j) => j.key === chosen);
  const list = job ? run.jobs.filter((j) => j.job === job.job) : [];
  if (list.length < 2) return null;
  return html`<nav class="attempts" aria-label="Legs of the matrix">${list.map((leg) => html`<a key=${leg.key} href=${address(leg.key)} onClick=${choose(leg.key)}
    aria-current=${leg.key === chosen ? 'page' : undefined}><${Shape} status=${leg.status} label=${statusLabel(leg.status)} />${legName(leg)}</a>`)}</nav>`;
}

/** A leg by its values: "go=1.26, os=linux". */
export const legName = (job) => (job.leg ? Object.entries(job.leg).map(([axis, value]) => `${axis}=${value}`).join(', ') : job.name ?? job.key);

export function RunGraph({ run, chosen }) {
  const list = nodes(run);
  const critical = run.completed_at ? criticalPath(run) : new Set();
  const last = list.filter((node) => node.finally);
  return html`<${Layer} list=${list.filter((node) => !node.finally)} chosen=${chosen} critical=${critical} label="Jobs" />
    ${last.length > 0 && html`<h3 class="graph-title">Finally</h3><${Layer} list=${last} chosen=${chosen} critical=${critical} label="Jobs that run at the end" />`}`;
}
