// @ts-check
// Links to all attempts of an execution.
import { html } from 'htm/preact';
import { get } from '../lib/api.js';
import { href } from '../lib/router.js';
import { useLoad } from '../lib/use.js';
import { Shape, statusLabel } from './status.js';

/** The earlier and later attempts of an execution, oldest first. */
async function attempts(e, signal) {
  const chain = [e];
  for (let first = e; first.retry_of && chain.length < 20;) {
    first = await get(`/executions/${first.retry_of}`, {}, signal);
    chain.unshift(first);
  }
  for (let last = e; chain.length < 40;) {
    const next = (await get('/executions', { retry_of: last.id, limit: 1 }, signal)).items[0];
    if (!next) break;
    chain.push(last = next);
  }
  return chain;
}

export function Attempts({ execution }) {
  const chain = useLoad((signal) => attempts(execution, signal), [execution.id, execution.status], {
    on: ({ kind, data }) => kind === 'execution' && chain.data?.some((e) => e.id === data.execution.id || e.id === data.execution.retry_of),
  });
  if (!chain.data || chain.data.length < 2) return null;
  return html`<nav class="attempts" aria-label="Attempts">${chain.data.map((e) => html`<a key=${e.id} href=${href(`/executions/${e.id}`)}
    aria-current=${e.id === execution.id ? 'page' : undefined}><${Shape} status=${e.status} label=${statusLabel(e.status)} />Attempt ${e.attempt}</a>`)}</nav>`;
}
