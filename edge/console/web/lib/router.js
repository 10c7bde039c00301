// @ts-check
// The current place as a signal. Every view has a URL under /ui, with its
// filters in the query.
import { signal } from '@preact/signals';

const ROOT = '/ui';

const read = () => ({
  path: decodeURI(window.location.pathname).slice(ROOT.length).replace(/\/+$/, '') || '/',
  query: new URLSearchParams(window.location.search),
  hash: window.location.hash.slice(1),
});

/** The current place. */
export const place = signal(read());

/** The URL of a path, with a query of the values that are set. */
export function href(path, query = {}) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') params.set(name, String(value));
  }
  return ROOT + (path === '/' ? '/' : path) + (params.size ? `?${params}` : '');
}

/** Navigates to a URL of href. */
export function go(url, { replace = false } = {}) {
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  const before = place.value.path;
  place.value = read();
  if (!replace && place.value.path !== before) window.scrollTo(0, 0);
}

/** Changes parameters of the query and stays on the page. */
export function setQuery(changes) {
  const query = { ...Object.fromEntries(place.value.query), ...changes };
  go(href(place.value.path, query) + window.location.hash, { replace: true });
}

/** Sets the line of a log in the URL, without a history entry. */
export function setHash(hash) {
  history.replaceState(null, '', window.location.pathname + window.location.search + (hash ? `#${hash}` : ''));
  place.value = read();
}

/** Matches a path against a pattern like "/jobs/:id"; returns the parameters, or null. */
export function match(pattern, path) {
  const want = pattern.split('/');
  const have = path.split('/');
  if (want.length !== have.length) return null;
  const found = {};
  for (let i = 0; i < want.length; i++) {
    if (want[i].startsWith(':')) found[want[i].slice(1)] = have[i];
    else if (want[i] !== have[i]) return null;
  }
  return found;
}

window.addEventListener('popstate', () => { place.value = read(); });

// A plain click on an internal link changes the view; the browser handles others.
document.addEventListener('click', (event) => {
  const link = /** @type {Element} */ (event.target).closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(/** @type {HTMLAnchorElement} */ (link).href);
  if (url.origin !== window.location.origin || !url.pathname.startsWith(`${ROOT}/`)) return;
  if (link.hasAttribute('download') || link.getAttribute('target')) return;
  event.preventDefault();
  go(url.pathname + url.search + url.hash);
});
