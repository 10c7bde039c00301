// @ts-check
// The tokens of people and programs. The text of a token is shown once.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { del, get, post } from '../lib/api.js';
import { roles } from '../lib/me.js';
import { useLoad, useTitle } from '../lib/use.js';
import { Age, Copy, Empty, Failure, Head, Loaded } from '../parts/basics.js';
import { Dialog, confirm } from '../parts/dialog.js';
import { Text } from '../parts/fields.js';
import { icons } from '../parts/icons.js';

const columns = [['Name'], ['Role'], ['Created', 'num wide'], ['Last use', 'num'], ['Expires', 'num']];
const DAY = 86_400; // seconds

function Form({ close, reload }) {
  const [error, setError] = useState(null);
  const [made, setMade] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    try {
      setMade(await post('/tokens', { name: String(form.get('name')).trim(), role: form.get('role'), expires_in_seconds: Number(form.get('days')) * DAY }));
      reload();
    } catch (e) { setError(e); }
    setBusy(false);
  };
  if (made) {
    return html`<${Dialog} title="Copy the token now" onClose=${close} cls="narrow"><p>It is not shown again. It is for ${made.name}, ${made.role}.</p>
      <div class="command"><code class="token">${made.token}</code><${Copy} text=${made.token} what="the token" /></div>
      <div class="dialog-foot"><button type="button" class="primary" onClick=${close}>Done</button></div></${Dialog}>`;
  }
  return html`<${Dialog} title="New token" onClose=${close} cls="narrow"><form class="form" onSubmit=${submit}>
    <${Text} name="name" label="Name" hint="Who or what will use it" required maxlength="200" autofocus />
    <div class="field"><label for="token-role">Role</label><select id="token-role" name="role">${roles.map((r) => html`<option key=${r} selected=${r === 'developer'}>${r}</option>`)}</select></div>
    <${Text} name="days" label="Valid for days" type="number" min="1" max="3650" value="90" required />
    ${error && html`<${Failure} error=${error} />`}
    <div class="dialog-foot"><button type="button" onClick=${close}>Cancel</button><button type="submit" class="primary" disabled=${busy}>Create token</button></div>
  </form></${Dialog}>`;
}

const revoke = (token, reload) => confirm({
  title: `Revoke ${token.name}?`, text: 'Requests with it are refused within seconds, and the sessions that began with it end.', yes: 'Revoke token',
  act: async () => { await del(`/tokens/${token.id}`); reload(); },
});

const Row = ({ token, reload }) => html`<tr data-row class="row">
  <td class="col-title">${token.name}<div class="under">${token.pipelines && html`<span>limited to ${token.pipelines.length} of the pipelines</span>`}<code>${token.id}</code></div></td>
  <td><span class="label">${token.role}</span></td><td class="num wide"><${Age} time=${token.created_at} /></td>
  <td class="num">${token.last_used_at ? html`<${Age} time=${token.last_used_at} />` : html`<span class="faint">never</span>`}</td>
  <td class="num">${token.expires_at ? html`<${Age} time=${token.expires_at} />` : html`<span class="faint">never</span>`}</td>
  <td class="col-act"><button type="button" class="ghost" aria-label=${`Revoke ${token.name}`} title="Revoke" onClick=${() => revoke(token, reload)}>${icons.trash()}</button></td></tr>`;

export function Tokens() {
  const [asked, setAsked] = useState(false);
  const list = useLoad((signal) => get('/tokens', { limit: 1000 }, signal), []);
  useTitle('Tokens');
  return html`<${Head} title="Tokens" sub="What people and programs sign in with">
      <button type="button" class="primary" onClick=${() => setAsked(true)}>${icons.plus()}New token</button></${Head}>
    <${Loaded} of=${list}>${({ items }) => (items.length ? html`<section class="panel flush"><div class="scroll-x"><table class="rows" aria-label="Tokens">
      <thead><tr>${columns.map(([text, cls = '']) => html`<th key=${text} class=${cls}>${text}</th>`)}<th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${items.map((t) => html`<${Row} key=${t.id} token=${t} reload=${list.reload} />`)}</tbody></table></div></section>`
    : html`<${Empty} title="No tokens" text="Without --auth no token is needed." />`)}</${Loaded}>
    ${asked && html`<${Form} close=${() => setAsked(false)} reload=${list.reload} />`}`;
}
