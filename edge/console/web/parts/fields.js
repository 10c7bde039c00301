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

/** Compares a form with what it showed at first. The result reports whether one of these inputs has another value. */
export function changes(form) {
  const first = form.cloneNode(true);
  first.reset();
  const [before, now] = [new FormData(first), new FormData(form)];
  return (...names) => names.some((name) => now.get(name) !== before.get(name));
}

const invalid = (message, field, issue) => Object.assign(new Error(message), { details: { field, issue }, code: 'VALIDATION_ERROR' });

export function json(text, field) {
  try { return JSON.parse(text); } catch (error) { throw invalid('Text that begins with [ or { must be JSON', field, error.message); }
}

/** The text of a value if `read` returns the same value for it, else JSON. An input changes \r, so that needs JSON, too. */
export function textOf(value, text, read) {
  try {
    if (!text.includes('\r') && JSON.stringify(read(text)) === JSON.stringify(value)) return text;
  } catch { /* it cannot be read */ }
  return JSON.stringify(value, null, 2);
}

/** "NAME=value" lines, or JSON, as an object. It throws for other lines. */
export function pairs(text, field) {
  if (text.trim().startsWith('{')) return json(text, field);
  const out = {};
  for (const line of text.split(/\r?\n/).filter((l) => l.trim())) {
    const [name] = line.split('=', 1);
    if (name === line || !name.trim()) throw invalid('Each line must be NAME=value', field, line);
    out[name.trim()] = line.slice(name.length + 1);
  }
  return out;
}

export const lines = (object) => textOf(object ?? {}, Object.entries(object ?? {}).map(([k, v]) => `${k}=${v}`).join('\n'), pairs);
