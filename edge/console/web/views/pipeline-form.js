// @ts-check
// Creates or changes a pipeline.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { create, get, newKey, patch } from '../lib/api.js';
import { useLoad, useTitle } from '../lib/use.js';
import { learn } from '../lib/names.js';
import { go, href } from '../lib/router.js';
import { Failure, Head, Loaded } from '../parts/basics.js';
import { Area, Text } from '../parts/fields.js';

export function PipelineForm({ id = '' }) {
  const [key] = useState(newKey);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const old = useLoad((signal) => (id ? get(`/pipelines/${id}`, {}, signal) : Promise.resolve({ name: '', description: '', slug: '' })), [id]);
  useTitle(id ? 'Edit pipeline' : 'New pipeline');
  const back = id ? href(`/pipelines/${id}`) : href('/pipelines');
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const body = { name: String(form.get('name')).trim(), description: String(form.get('description')).trim() || null, slug: String(form.get('slug')).trim() || null };
    setBusy(true);
    try {
      const made = id ? await patch(`/pipelines/${id}`, body) : await create('/pipelines', body, key);
      learn('pipelines', [made]);
      go(href(`/pipelines/${made.id}`));
    } catch (e) { setError(e); setBusy(false); }
  };
  return html`<${Head} title=${id ? 'Edit pipeline' : 'New pipeline'} above=${html`<a href=${href('/pipelines')}>Pipelines</a>`} />
    <${Loaded} of=${old}>${(p) => html`<form class="form card" onSubmit=${submit}>
      <${Text} name="name" label="Name" required maxlength="200" value=${p.name} autofocus />
      <${Text} name="slug" label="Slug" hint="Optional and unique: a-z, 0-9 and -. Accepted wherever the id is" maxlength="63" pattern="[a-z0-9][a-z0-9\\-]*" value=${p.slug ?? ''} />
      <${Area} name="description" label="Description" hint="Optional" maxlength="2000" rows="3" value=${p.description ?? ''} />
      ${error && html`<${Failure} error=${error} />`}
      <div class="form-foot"><a class="button" href=${back}>Cancel</a><button type="submit" class="primary" disabled=${busy}>${id ? 'Save' : 'Create pipeline'}</button></div>
    </form>`}</${Loaded}>`;
}
