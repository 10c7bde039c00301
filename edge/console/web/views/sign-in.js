// @ts-check
// Signing in to the console with a token, or with the link that `hodei up --auth` prints.
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { del, get, post } from '../lib/api.js';
import { me } from '../lib/me.js';
import { useTitle } from '../lib/use.js';
import { Failure } from '../parts/basics.js';
import { note } from '../parts/dialog.js';
import { Text } from '../parts/fields.js';

const LINK = /^#signin=(hodei_[a-z]_[0-9A-Za-z]+)$/;
const REFUSED = /^#sign-in-failed=(\w+)$/;
const REASONS = {
  role: 'You are in no group that may use Hodei: ask an administrator for one',
  attempt: 'The sign-in took too long, or began in another browser: try again',
  provider: 'The sign-in with your provider failed: try again, or ask an administrator, whose log has the reason',
};
let failed = null; // the error of a sign-in link, of a provider, or of a sign-out

/** Finds out who uses the page, after a sign-in link has been used. */
export async function identify() {
  const link = LINK.exec(window.location.hash);
  if (link) {
    history.replaceState(null, '', window.location.pathname + window.location.search); // the secret leaves the address bar and the history
    try { await post('/session', { token: link[1] }); } catch (error) { failed = error; }
  }
  const refused = REFUSED.exec(window.location.hash);
  if (refused) {
    history.replaceState(null, '', window.location.pathname + window.location.search);
    failed = new Error(REASONS[refused[1]] ?? REASONS.provider);
  }
  try {
    me.value = await get('/whoami');
  } catch (error) {
    // Unless the server asks for a sign-in, each view shows what is wrong by itself.
    me.value = error.status === 401 ? null : { kind: 'local', name: '', role: 'admin' };
  }
}

/** Ends the session. If that fails, the browser may still have it, and the page stays as it is. */
export async function signOut() {
  const error = await del('/session').then(() => null, (e) => e);
  failed = error && Object.assign(new Error(`This browser is signed out, but the session may be valid until it expires: ${error.message}`),
    { code: error.code, requestId: error.requestId });
  const still = error && await get('/whoami').then(() => true, (e) => e.status !== 401); // which shows the sign-in
  if (!still) {
    me.value = null;
    return;
  }
  failed = null;
  note(`You are still signed in: ${error.message}`, 'fail');
}

export function SignIn() {
  const [error, setError] = useState(failed);
  const [busy, setBusy] = useState(false);
  const [ways, setWays] = useState({ token: true, oidc: false });
  useTitle('Sign in');
  useEffect(() => { get('/session').then(setWays, () => {}); }, []); // a token always works
  const submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    try {
      me.value = await post('/session', { token: String(new FormData(form).get('token')).trim() });
      failed = null;
    } catch (e) { setError(e); setBusy(false); }
  };
  return html`<main id="main" class="sign-in" tabindex="-1"><section class="panel">
    <div class="panel-head"><h1>Sign in to Hodei</h1></div>
    <form onSubmit=${submit} class="form">
      <${Text} name="token" label="Token" hint="From hodei token create, or on the machine of the database from hodei token bootstrap" type="password" required autofocus placeholder="hodei_t_…" code />
      ${error && html`<${Failure} error=${error} />`}
      <div class="form-foot"><button type="submit" class="primary" disabled=${busy}>Sign in</button>
        ${ways.oidc && html`<a class="button" href="/session/oidc">Sign in with your provider</a>`}</div>
    </form></section></main>`;
}
