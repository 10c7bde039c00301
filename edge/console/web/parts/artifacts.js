// @ts-check
// The artifacts of a run as rows. Each opens to the list of its files, with a preview of
// texts and images.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { API, all } from '../lib/api.js';
import { fileUrl, listFiles, preview } from '../lib/files.js';
import { bytes, plural } from '../lib/format.js';
import { useLoad } from '../lib/use.js';
import { Age, Loaded, Panel } from './basics.js';
import { Dialog } from './dialog.js';
import { RunTests } from './tests.js';

const SHOWN = 500; // files of an artifact in the list

/** The beginning of a text, or an image. */
function Preview({ artifact, file, onClose }) {
  const load = useLoad((signal) => preview(artifact.id, file, signal), [artifact.id, file.path]);
  return html`<${Dialog} title=${file.path} onClose=${onClose} cls="preview"><${Loaded} of=${load}>${({ text, cut, image, large }) => {
    if (image) return html`<img src=${image} alt=${file.path} />`;
    if (text === undefined) return html`<p class="quiet">${large ? 'This image is too large for a preview.' : 'There is no preview of this kind of file.'}</p>`;
    return html`<pre class="script" tabindex="0" aria-label="Content">${text}</pre>${cut && html`<p class="quiet">This is the beginning of ${bytes(file.size)}.</p>`}`;
  }}</${Loaded}>
    <div class="dialog-foot"><a class="button" href=${fileUrl(artifact.id, file.path)} download>Download</a></div></${Dialog}>`;
}

const FileRow = ({ artifact, file, onShow }) => html`<tr data-row class="row">
  <td class="col-title">${file.directory ? `${file.path}/` : html`<button type="button" class="ghost row-link" onClick=${() => onShow(file)} title="Preview">${file.path}</button>`}</td>
  <td class="num">${file.directory ? '' : bytes(file.size)}</td>
  <td class="col-act">${!file.directory && html`<a class="button ghost" href=${fileUrl(artifact.id, file.path)} download aria-label=${`Download ${file.path}`}>Download</a>`}</td></tr>`;

/** The files of an artifact. */
function Files({ artifact }) {
  const [shown, setShown] = useState(null);
  const list = useLoad((signal) => listFiles(artifact.id, signal), [artifact.id]);
  return html`<${Loaded} of=${list}>${({ items, truncated }) => html`<table class="rows files" aria-label=${`Files of ${artifact.name}`}>
    <thead><tr><th>File</th><th class="num">Size</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody>${items.slice(0, SHOWN).map((file) => html`<${FileRow} key=${file.path} artifact=${artifact} file=${file} onShow=${setShown} />`)}</tbody></table>
    ${(truncated || items.length > SHOWN) && html`<p class="more">${truncated ? 'There are more files.' : `and ${plural(items.length - SHOWN, 'file')} more.`} Download the artifact for all of them.</p>`}
    ${shown && html`<${Preview} artifact=${artifact} file=${shown} onClose=${() => setShown(null)} />`}`}</${Loaded}>`;
}

function Row({ item: a }) {
  const [open, setOpen] = useState(false);
  return html`<tr data-row class="row">
    <td class="col-title"><button type="button" class="ghost row-link" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${a.name}</button><div class="under"><span>${a.job_key}</span></div></td>
    <td class="num">${plural(a.files, 'file')}</td>
    <td class="num">${bytes(a.size)}</td>
    <td class="num wide">${a.expires_at ? html`expires <${Age} time=${a.expires_at} />` : html`<${Age} time=${a.created_at} />`}</td>
    <td class="col-act"><a class="button ghost" href=${`${API}/artifacts/${a.id}/content?format=zip`} download aria-label=${`Download ${a.name} of ${a.job_key}`}>Download</a></td></tr>
    ${open && html`<tr><td colspan="5" class="nested"><${Files} artifact=${a} /></td></tr>`}`;
}

/** The test reports and the artifacts of a run, if it has any. */
export function RunArtifacts({ id }) {
  const list = useLoad((signal) => all(`/runs/${id}/artifacts`, {}, signal), [id], {
    on: ({ kind, data }) => kind === 'execution' && data.execution.run_id === id, every: 1000,
  });
  return list.data?.length > 0 && html`<${RunTests} artifacts=${list.data.filter((a) => a.report)} />
    <${Panel} title="Artifacts" cls="flush"><div class="scroll-x"><table class="rows" aria-label="Artifacts">
    <thead><tr><th>Name</th><th class="num">Files</th><th class="num">Size</th><th class="num wide">Kept</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody>${list.data.map((a) => html`<${Row} key=${a.id} item=${a} />`)}</tbody></table></div></${Panel}>`;
}
