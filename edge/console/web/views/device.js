// @ts-check
// Approving the sign-in of a program that has shown a code.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { get, post } from '../lib/api.js';
import { me } from '../lib/me.js';
import { place } from '../lib/router.js';
import { useTitle } from '../lib/use.js';
import { Failure } from '../parts/basics.js';
import { Text } from '../parts/fields.js';

export function Device() {
  const [device, setDevice] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [done, setDone] = useState(false);
  useTitle('Sign in a program');
  const find = async (event) => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get('code')).trim();
    try { setDevice(await get('/session/device', { code })); setError(null); } catch (e) { setError(e); }
  };
  const approve = async () => {
    try { await post('/session/device/approve', { user_code: device.user_code }); setDone(true); setError(null); } catch (e) { setError(e); }
  };
  return html`<section class="panel"><div class="panel-head"><h1>Sign in a program</h1></div>
    ${done ? html`<p class="form">${device.name} is signed in with your rights. You can close this page.</p>`
    : device ? html`<div class="form">
      <p>${device.name}, at ${device.address}, asks to sign in as ${me.value?.name}. It can then do what you can do.</p>
      <p>Approve only if you began this yourself and the program shows <b><code>${device.user_code}</code></b>.</p>
      ${error && html`<${Failure} error=${error} />`}
      <div class="form-foot"><button type="button" onClick=${() => setDevice(null)}>Cancel</button><button type="button" class="primary" onClick=${approve}>Approve</button></div></div>`
    : html`<form class="form" onSubmit=${find}>
      <${Text} name="code" label="Code" hint="As hodei login shows it" required autofocus code placeholder="BCDF-GHJK" value=${place.value.query.get('code') ?? ''} />
      ${error && html`<${Failure} error=${error} />`}
      <div class="form-foot"><button type="submit" class="primary">Continue</button></div></form>`}
  </section>`;
}
