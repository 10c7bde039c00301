// @ts-check
// The slots of a worker, and its commands.
import { html } from 'htm/preact';
import { post } from '../lib/api.js';
import { may } from '../lib/me.js';
import { number, shortId } from '../lib/format.js';
import { Button } from './basics.js';
import { attempt, confirm } from './dialog.js';
import { Bar } from './fleet.js';

/** The commands that a worker accepts in its state. */
export function Actions({ worker, reload }) {
  const { id, status } = worker;
  const name = worker.name ?? shortId(id);
  const drain = () => attempt(() => post(`/workers/${id}/drain`), `${name} is draining`).then(reload);
  const cordon = () => attempt(() => post(`/workers/${id}/cordon`), `${name} is cordoned`).then(reload);
  const uncordon = () => attempt(() => post(`/workers/${id}/uncordon`), `${name} is uncordoned`).then(reload);
  const resume = () => attempt(() => post(`/workers/${id}/resume`), `${name} resumed`).then(reload);
  const terminate = () => confirm({
    title: `Terminate ${name}?`, text: worker.running ? `The worker kills its ${worker.running === 1 ? 'execution' : `${worker.running} executions`} and shuts down.` : 'This worker is idle and will shut down immediately.', yes: 'Terminate',
    act: async () => { await post(`/workers/${id}/terminate`); reload(); },
  });
  const idle = () => (worker.running ? drain() : confirm({
    title: `Drain ${name}?`, text: 'This worker is idle and will shut down immediately.', yes: 'Drain', act: async () => { await post(`/workers/${id}/drain`); reload(); },
  }));
  if (status === 'TERMINATED' || !may('operator')) return null;
  return html`${worker.cordoned ? html`<${Button} icon="play" onClick=${uncordon}>Uncordon</${Button}>` : (status === 'AVAILABLE' || status === 'BUSY') && html`<${Button} icon="stop" onClick=${cordon}>Cordon</${Button}>`}
    ${(status === 'AVAILABLE' || status === 'BUSY') && html`<${Button} icon="drain" onClick=${idle}>Drain</${Button}>`}
    ${status === 'DRAINING' && html`<${Button} icon="play" onClick=${resume}>Resume</${Button}>`}
    ${status !== 'TERMINATING' && html`<button type="button" class="ghost danger-text" onClick=${terminate}>Terminate</button>`}`;
}

/** Each slot as a square, or a bar if there are many. */
export function Slots({ worker }) {
  const used = worker.total_capacity - worker.capacity;
  if (worker.status === 'OFFLINE' || worker.status === 'TERMINATED') return html`<span class="faint small">${number(worker.total_capacity)} slots (${worker.status.toLowerCase()})</span>`;
  return html`<div class="slots"><span class="num"><b>${number(used)}</b> <span class="faint">of ${number(worker.total_capacity)} ${worker.total_capacity === 1 ? 'slot' : 'slots'}</span></span>
    ${worker.total_capacity <= 24 ? html`<span class="pips" aria-hidden="true">${Array.from({ length: worker.total_capacity }, (_, i) => html`<i key=${i} class=${i < used ? 'is-used' : ''}></i>`)}</span>`
    : html`<${Bar} used=${used} total=${worker.total_capacity} label="Slots used" />`}</div>`;
}
