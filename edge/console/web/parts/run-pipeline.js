// @ts-check
// Running a pipeline, with a form made of its params.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { create, get, newKey } from '../lib/api.js';
import { useLoad } from '../lib/use.js';
import { go, href } from '../lib/router.js';
import { Failure, Loaded } from './basics.js';
import { Dialog } from './dialog.js';
import { Text } from './fields.js';

/** The params of a pipeline: none where it was made without a definition. */
async function paramsOf(id, signal) {
  try {
    const { params } = await get(`/pipelines/${id}/definition`, {}, signal);
    return Object.entries(params ?? {}).map(([name, param]) => ({ name: param?.name ?? name, ...param }));
  } catch (error) {
    if (error.status === 404 || error.status === 409) return [];
    throw error;
  }
}

const hint = (param) => [param.description, param.required && 'required'].filter(Boolean).join(', ');

function Param({ param }) {
  const options = param.enum ?? (param.type === 'boolean' ? ['true', 'false'] : null);
  const label = param.name;
  const value = param.default === undefined || param.default === null ? '' : String(param.default);
  if (!options) {
    return html`<${Text} name=${`param-${param.name}`} label=${label} hint=${hint(param)} value=${value} required=${param.required}
      type=${param.type === 'number' ? 'number' : 'text'} step="any" />`;
  }
  const id = `param-${param.name}`;
  return html`<div class="field"><label for=${id}>${label}</label>
    <select id=${id} name=${id} defaultValue=${value} required=${param.required}>${!value && html`<option value=""></option>`}${options.map((o) => html`<option key=${o} value=${String(o)} selected=${String(o) === value}>${String(o)}</option>`)}</select>
    ${hint(param) && html`<p class="hint">${hint(param)}</p>`}</div>`;
}

export function RunPipelineDialog({ pipeline, onClose }) {
  const [key] = useState(newKey);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const params = useLoad((signal) => paramsOf(pipeline.id, signal), [pipeline.id]);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    try {
      const values = {};
      for (const { name } of params.data) {
        const value = String(form.get(`param-${name}`) ?? '');
        if (value !== '') values[name] = value;
      }
      const run = await create(`/pipelines/${pipeline.id}/execute`, params.data.length ? { params: values } : {}, key);
      onClose();
      go(href(`/runs/${run.id}`));
    } catch (e) { setError(e); setBusy(false); }
  };
  return html`<${Dialog} title=${`Run ${pipeline.name}`} onClose=${onClose}>
    <${Loaded} of=${params}>${(list) => html`<form onSubmit=${submit} class="form">
      ${list.length ? list.map((param) => html`<${Param} key=${param.name} param=${param} />`) : html`<p>It takes no parameters.</p>`}
      ${error && html`<${Failure} error=${error} />`}
      <div class="dialog-foot"><button type="button" onClick=${onClose}>Cancel</button><button type="submit" class="primary" autofocus disabled=${busy}>Run</button></div>
    </form>`}</${Loaded}></${Dialog}>`;
}
