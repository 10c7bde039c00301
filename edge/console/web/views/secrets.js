// @ts-check
// The names of secrets. The page never has a value that is set already.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { all, del, get, put } from '../lib/api.js';
import { useLoad, useTitle } from '../lib/use.js';
import { Age, Empty, Failure, Head, Loaded } from '../parts/basics.js';
import { Dialog, confirm, note } from '../parts/dialog.js';
import { Area, Text } from '../parts/fields.js';
import { icons } from '../parts/icons.js';

const columns = [['Name'], ['Jobs of'], ['Version', 'num'], ['Changed', 'num'], ['Last use', 'num wide']];

/** Asks for the value of a new secret, or the next value of one. */
function Form({ secret, pipelines, close, reload }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = secret?.name ?? String(form.get('name')).trim();
    const value = String(form.get('value')).replaceAll('\r\n', '\n'); // forms send \r\n
    const of = secret ? secret.pipeline_id : String(form.get('pipeline')) || null;
    setBusy(true);
    try {
      const made = await put(`/secrets/${encodeURIComponent(name)}`, { value, ...(of && { pipeline_id: of }) });
      note(`${made.name} is set, version ${made.version}`);
      reload();
      close();
    } catch (e) { setError(e); setBusy(false); }
  };
  return html`<${Dialog} title=${secret ? `Set ${secret.name}` : 'New secret'} onClose=${close} cls="narrow"><form class="form" onSubmit=${submit}>
    ${!secret && html`<${Text} name="name" label="Name" hint="Letters, digits, _, - and ., no digit first" required maxlength="100" pattern="[A-Za-z_][A-Za-z0-9_.\\-]*" code autofocus />
      <div class="field"><label for="secret-pipeline">Jobs of</label><select id="secret-pipeline" name="pipeline"><option value="">all pipelines</option>
        ${pipelines.map((p) => html`<option key=${p.id} value=${p.id}>${p.slug ?? p.name}</option>`)}</select></div>`}
    <${Area} name="value" label="Value" hint="At least 6 characters. It is not shown again" required minlength="6" rows="4" code autocomplete="off" />
    ${error && html`<${Failure} error=${error} />`}
    <div class="dialog-foot"><button type="button" onClick=${close}>Cancel</button><button type="submit" class="primary" disabled=${busy}>Set secret</button></div>
  </form></${Dialog}>`;
}

const remove = (secret, reload) => confirm({
  title: `Delete ${secret.name}?`, text: 'Jobs that name it fail from now on. The value cannot be restored.', yes: 'Delete secret',
  act: async () => {
    await del(`/secrets/${encodeURIComponent(secret.name)}${secret.pipeline_id ? `?pipeline_id=${secret.pipeline_id}` : ''}`);
    reload();
  },
});

const Row = ({ secret, of, set, reload }) => html`<tr data-row class="row">
  <td class="mono">${secret.name}</td><td>${of}</td><td class="num">${secret.version}</td>
  <td class="num"><${Age} time=${secret.updated_at} /></td><td class="num wide">${secret.used_at ? html`<${Age} time=${secret.used_at} />` : '–'}</td>
  <td class="col-act"><button type="button" class="ghost" onClick=${set}>Set</button>
    <button type="button" class="ghost" aria-label=${`Delete ${secret.name}`} title="Delete" onClick=${() => remove(secret, reload)}>${icons.trash()}</button></td></tr>`;

export function Secrets() {
  const [asked, setAsked] = useState(null);
  const list = useLoad((signal) => get('/secrets', {}, signal), []);
  const pipelines = useLoad((signal) => all('/pipelines', {}, signal), []).data ?? [];
  useTitle('Secrets');
  const of = (id) => { const p = pipelines.find((q) => q.id === id); return p ? p.slug ?? p.name : id; };
  const add = html`<button type="button" class="primary" onClick=${() => setAsked({})}>${icons.plus()}New secret</button>`;
  return html`<${Head} title="Secrets" sub="Values that jobs receive by name, and that logs do not show">${add}</${Head}>
    <${Loaded} of=${list}>${({ items }) => (items.length ? html`<section class="panel flush"><div class="scroll-x"><table class="rows" aria-label="Secrets">
      <thead><tr>${columns.map(([text, cls = '']) => html`<th key=${text} class=${cls}>${text}</th>`)}<th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${items.map((s) => html`<${Row} key=${`${s.name} ${s.pipeline_id}`} secret=${s} of=${s.pipeline_id ? of(s.pipeline_id) : 'all pipelines'} set=${() => setAsked({ secret: s })} reload=${list.reload} />`)}</tbody></table></div></section>`
    : html`<${Empty} title="No secrets" text="Jobs name them in secrets. To set one:" command="hodei secret set TOKEN < token.txt" />`)}</${Loaded}>
    ${asked && html`<${Form} secret=${asked.secret} pipelines=${pipelines} close=${() => setAsked(null)} reload=${list.reload} />`}`;
}
