// @ts-check
// Fields of forms. The value is the initial one: rendering the form again must
// not overwrite input.
import { html } from 'htm/preact';

let counter = 0;
const ids = new Map();
const idOf = (name) => ids.get(name) ?? ids.set(name, `field-${name}-${++counter}`).get(name);

function Field({ name, label, hint, children }) {
  const id = idOf(name);
  return html`<div class="field"><label for=${id}>${label}</label>${children(id, hint ? `${id}-hint` : undefined)}${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}</div>`;
}

/** One line of text, or a number. */
export const Text = ({ name, label, hint = '', code = false, value = '', ...rest }) => html`<${Field} name=${name} label=${label} hint=${hint}>${(id, described) => html`
  <input id=${id} name=${name} aria-describedby=${described} class=${code ? 'mono' : ''} autocomplete="off" spellcheck=${code ? 'false' : undefined} defaultValue=${value} ...${rest} />`}</${Field}>`;

/** Many lines. */
export const Area = ({ name, label, hint = '', code = false, value = '', ...rest }) => html`<${Field} name=${name} label=${label} hint=${hint}>${(id, described) => html`
  <textarea id=${id} name=${name} aria-describedby=${described} class=${code ? 'mono' : ''} spellcheck=${code ? 'false' : undefined} defaultValue=${value} ...${rest}></textarea>`}</${Field}>`;

/** "NAME=value" lines as an object. It throws for other lines. */
export function pairs(text, field) {
  const out = {};
  for (const line of text.split('\n').map((l) => l.trim()).filter(Boolean)) {
    const at = line.indexOf('=');
    if (at < 1) throw Object.assign(new Error('Each line must be NAME=value'), { details: { field, issue: line }, code: 'VALIDATION_ERROR' });
    out[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  return out;
}

export const lines = (object) => Object.entries(object ?? {}).map(([k, v]) => `${k}=${v}`).join('\n');
