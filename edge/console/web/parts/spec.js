// @ts-check
// The specification of a job or an execution.
import { html } from 'htm/preact';
import { commandText, duration } from '../lib/format.js';
import { Needs } from './needs.js';

/** The specification without the command. */
export const specFacts = (spec) => [
  ['Requires', html`<${Needs} needs=${spec.requirements} />`],
  ['Priority', spec.priority],
  ['Timeout', spec.timeout_seconds ? duration(spec.timeout_seconds) : 'none'],
  ['Retries', spec.retries?.max ? `${spec.retries.max}, first after ${duration(spec.retries.backoff_seconds ?? 0)}` : 'none'],
  spec.after && ['After', html`<code>${spec.after}</code>`],
  spec.working_dir && ['Directory', html`<code>${spec.working_dir}</code>`],
];

/** The command. */
export const Script = ({ of }) => html`<pre class="script" tabindex="0">${commandText(of)}</pre>`;

/** Environment variables, collapsed at first. */
export function Environment({ of }) {
  const entries = Object.entries(of ?? {});
  if (!entries.length) return null;
  return html`<details class="environment"><summary>Environment <span class="faint">${entries.length}</span></summary>
    <table class="pairs mono"><tbody>${entries.map(([k, v]) => html`<tr key=${k}><th scope="row">${k}</th><td>${v}</td></tr>`)}</tbody></table></details>`;
}
