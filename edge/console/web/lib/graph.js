// @ts-check
// The graph of a run: one node for each job of the definition, which folds the
// legs of a matrix, and an edge for each need. Pure functions of the run.
import { Graph, layout } from 'dagre';

const ORDER = ['FAILED', 'TIMED_OUT', 'CANCELLED', 'RUNNING', 'BLOCKED', 'PENDING', 'WAITING', 'COMPLETED', 'SKIPPED'];

/** The state of several legs: the one that people look for first. */
const worst = (legs) => ORDER.find((status) => legs.some((leg) => leg.status === status)) ?? 'WAITING';

const earliest = (times) => times.filter(Boolean).toSorted()[0] ?? null;

/** The jobs of the definition, each with its legs, in the order of the definition. */
export function nodes(run) {
  const found = new Map();
  for (const job of run.jobs ?? []) {
    const node = found.get(job.job) ?? { key: job.job, name: job.name ?? job.job, needs: job.needs ?? [], finally: job.finally, legs: [] };
    node.legs.push(job);
    found.set(job.job, node);
  }
  return [...found.values()].map((node) => ({
    ...node,
    folded: node.legs.length > 1 || node.legs[0].leg !== null,
    status: worst(node.legs),
    started_at: earliest(node.legs.map((leg) => leg.started_at)),
    completed_at: node.legs.every((leg) => leg.completed_at) ? node.legs.map((leg) => leg.completed_at).toSorted().at(-1) : null,
  }));
}

const ended = (job) => (job.completed_at ? Date.parse(job.completed_at) : 0);

/**
 * The keys of the jobs that decided how long the run took: the one that ended last,
 * and before each the need that ended last.
 */
export function criticalPath(run) {
  const list = nodes(run).filter((node) => node.started_at && !node.finally);
  const byKey = new Map(list.map((node) => [node.key, node]));
  const last = (candidates) => candidates.reduce((a, b) => (!a || ended(b) > ended(a) ? b : a), null);
  const path = new Set();
  for (let at = last(list.filter(ended)); at && !path.has(at.key);) {
    path.add(at.key);
    at = last(at.needs.map((key) => byKey.get(key)).filter((node) => node && ended(node)));
  }
  return path;
}

/** A need that other needs imply: its edge would only hide the others. */
function implied(list) {
  const byKey = new Map(list.map((node) => [node.key, node]));
  const above = new Map();
  const reach = (key) => {
    if (above.has(key)) return above.get(key);
    const all = new Set();
    above.set(key, all);
    for (const need of byKey.get(key)?.needs ?? []) {
      all.add(need);
      for (const further of reach(need)) all.add(further);
    }
    return all;
  };
  return (node, need) => node.needs.some((other) => other !== need && reach(other).has(need));
}

const WIDTH = 196;
const HEIGHT = 48;

/** Where each node and edge is, left to right; sizes in pixels. */
export function arrange(list) {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 44, marginx: 2, marginy: 2 });
  graph.setDefaultEdgeLabel(() => ({}));
  const skip = implied(list);
  for (const node of list) graph.setNode(node.key, { width: WIDTH, height: HEIGHT });
  for (const node of list) {
    for (const need of node.needs) if (graph.hasNode(need) && !skip(node, need)) graph.setEdge(need, node.key);
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    width: Math.max(width, WIDTH), height: Math.max(height, HEIGHT),
    nodes: list.map((node) => {
      const at = graph.node(node.key);
      return { node, x: at.x - WIDTH / 2, y: at.y - HEIGHT / 2, width: WIDTH, height: HEIGHT };
    }),
    edges: graph.edges().map((edge) => ({ from: edge.v, to: edge.w, points: graph.edge(edge).points })),
  };
}

/** The points of an edge as a smooth path. */
export function curve(points) {
  const [first, ...rest] = points;
  let path = `M${first.x},${first.y}`;
  let before = first;
  for (const point of rest) {
    const half = (before.x + point.x) / 2;
    path += `C${half},${before.y} ${half},${point.y} ${point.x},${point.y}`;
    before = point;
  }
  return path;
}
