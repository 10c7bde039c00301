// @ts-check
// Files of artifacts. They are of a job, so the server sends each as an attachment
// without a type; a preview is made here, of the bytes.
import { API, ApiError, get } from './api.js';

const TEXT = 64 * 1024; // bytes of a text that are shown
const IMAGE = 4 * 1024 * 1024; // bytes of the largest image that is

/** The address of a file of an artifact, for a download. */
export const fileUrl = (id, path) => `${API}/artifacts/${id}/content?path=${encodeURIComponent(path)}`;

/** The files of an artifact. */
export const listFiles = (id, signal) => get(`/artifacts/${id}/content`, { format: 'list' }, signal);

// The images that a browser decodes without running anything, by their first bytes. SVG
// is a text here.
/** @type {[string, RegExp][]} */
const IMAGES = [
  ['image/png', /^\x89PNG\r\n\x1a\n/], ['image/jpeg', /^\xff\xd8\xff/], ['image/gif', /^GIF8[79]a/], ['image/webp', /^RIFF[^]{4}WEBP/],
];

const head = (bytes) => String.fromCharCode(...bytes.subarray(0, 16));

/** Reads at most so many bytes of a reply. */
async function firstBytes(response, most) {
  const reader = response.body.getReader();
  const parts = [];
  let size = 0;
  while (size < most) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
  }
  await reader.cancel();
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.subarray(0, most);
}

/** Bytes as an address that contains them. */
const dataUrl = (bytes, type) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(String(reader.result));
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(new Blob([bytes], { type }));
});

/**
 * What can be shown of a file: the beginning of a text, an image, or neither.
 *
 * @returns {Promise<{text?: string, cut?: boolean, image?: string, large?: boolean}>}
 */
export async function preview(id, { path, size }, signal) {
  const response = await fetch(fileUrl(id, path), { signal });
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => ({})));
  const bytes = await firstBytes(response, /\.(png|jpe?g|gif|webp)$/i.test(path) ? IMAGE + 1 : TEXT);
  const [type] = IMAGES.find(([, begins]) => begins.test(head(bytes))) ?? [];
  if (type) return bytes.length === size && size <= IMAGE ? { image: await dataUrl(bytes, type) } : { large: true };
  const text = bytes.subarray(0, TEXT);
  if (text.includes(0)) return {};
  return { text: new TextDecoder().decode(text), cut: size > TEXT };
}
