// @ts-check
// The public API, the same as for every client.
import { me } from './me.js';

export const API = '/api/v1';

/** The error of the API, or of the connection. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.message || `HTTP status ${status}`);
    this.status = status;
    this.code = body.error || (status ? 'ERROR' : 'UNREACHABLE');
    this.details = body.details;
    this.requestId = body.request_id;
  }
}

/**
 * @param {string} method @param {string} path
 * @param {{query?: object, body?: any, signal?: AbortSignal, key?: string}} [request]
 */
async function call(method, path, { query, body, signal, key } = {}) {
  const url = new URL(API + path, window.location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, String(value));
  }
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (key) headers['Idempotency-Key'] = key;
  let response;
  try {
    response = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { message: 'Cannot reach Hodei' });
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401) me.value = null;
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

export const get = (path, query, signal) => call('GET', path, { query, signal });
export const post = (path, body, query) => call('POST', path, { body, query });
export const patch = (path, body) => call('PATCH', path, { body });
export const put = (path, body) => call('PUT', path, { body });
export const del = (path) => call('DELETE', path);

/** Creates a record. The key makes a double click harmless. */
export const create = (path, body, key) => call('POST', path, { body, key });

/** An idempotency key for one action of the user. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')}`;
}

/** Reads all pages of a list, up to a limit. */
export async function all(path, query, signal, most = 1000) {
  const items = [];
  for (let cursor; items.length < most;) {
    const page = await get(path, { ...query, limit: Math.min(1000, most - items.length), cursor }, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
    if (!cursor) break;
  }
  return items;
}
