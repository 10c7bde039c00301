// @ts-check
// Dialogs and notes. The browser's <dialog> handles focus and Escape.
import { html } from 'htm/preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { Failure } from './basics.js';
import { icons } from './icons.js';

export function Dialog({ title, onClose, children, cls = '' }) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return html`<dialog ref=${ref} class="dialog ${cls}" aria-label=${title} onCancel=${(e) => { e.preventDefault(); onClose(); }}
    onClose=${() => ref.current && onClose()}
    onMouseDown=${(e) => { if (e.target === ref.current) onClose(); }}>
    <div class="dialog-box">
      <div class="dialog-head"><h2>${title}</h2><button type="button" class="ghost" onClick=${onClose} aria-label="Close">${icons.close()}</button></div>
      ${children}
    </div></dialog>`;
}

const asking = signal(null);

/**
 * Asks for confirmation of an irreversible action. `act` runs on yes; its error is
 * shown in the dialog.
 */
export function confirm({ title, text, yes, danger = true, act }) {
  asking.value = { title, text, yes, danger, act };
}

function Confirm({ ask }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const close = () => { asking.value = null; };
  const act = async () => {
    setBusy(true);
    try { await ask.act(); close(); } catch (e) { setError(e); setBusy(false); }
  };
  return html`<${Dialog} title=${ask.title} onClose=${close} cls="narrow">
    <p>${ask.text}</p>${error && html`<${Failure} error=${error} />`}
    <div class="dialog-foot"><button type="button" autofocus onClick=${close}>${ask.danger ? 'Back' : 'No'}</button>
      <button type="button" class=${ask.danger ? 'danger' : 'primary'} disabled=${busy} onClick=${act}>${ask.yes}</button></div>
  </${Dialog}>`;
}

const notes = signal([]);
let counter = 0;

/** Shows a note in the corner for a few seconds. */
export function note(text, kind = 'ok') {
  const id = ++counter;
  notes.value = [...notes.value, { id, text, kind }];
  setTimeout(() => { notes.value = notes.value.filter((n) => n.id !== id); }, kind === 'fail' ? 8000 : 3500);
}

/** Runs an action of the user; an error becomes a note. */
export async function attempt(act, done = '') {
  try {
    const result = await act();
    if (done) note(done);
    return result;
  } catch (error) {
    note(error.details ? `${error.message}: ${error.details.field} ${error.details.issue}` : error.message, 'fail');
    return undefined;
  }
}

/** Container of confirmations and notes; the app renders it once. */
export function Corner() {
  return html`${asking.value && html`<${Confirm} ask=${asking.value} />`}
    <div class="notes" role="status" aria-live="polite">${notes.value.map((n) => html`<div key=${n.id} class="note is-${n.kind}">${n.text}</div>`)}</div>`;
}
