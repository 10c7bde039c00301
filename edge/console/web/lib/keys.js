// @ts-check
// Keyboard shortcuts. A shortcut is one key, or two after another like "g o".
import { useEffect, useRef } from 'preact/hooks';

const active = [];
let prefix = '';
let forget = 0;

const typing = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector('dialog[open]')) return;
  if (event.key === 'Shift') return;
  const pressed = prefix ? `${prefix} ${event.key}` : event.key;
  prefix = '';
  clearTimeout(forget);
  for (const shortcut of active.toReversed()) {
    const entry = shortcut.current[pressed];
    if (entry) {
      event.preventDefault();
      entry.run(event);
      return;
    }
  }
  if (active.some((s) => Object.keys(s.current).some((key) => key.startsWith(`${event.key} `)))) {
    prefix = event.key;
    forget = window.setTimeout(() => { prefix = ''; }, 1200);
  }
});

/**
 * While the component is shown, its shortcuts work, and are listed by `?`.
 *
 * @param {Record<string, {what: string, run: (event: KeyboardEvent) => void}>} shortcuts
 */
export function useKeys(shortcuts) {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    active.push(latest);
    return () => { active.splice(active.indexOf(latest), 1); };
  }, []);
}

/** What works now, in the order in which it was offered. */
export const shortcuts = () => active.flatMap((s) => Object.entries(s.current).map(([key, { what }]) => ({ key, what })));

/** Moves the focus among the rows of lists: what j and k do. */
export function moveRow(by) {
  const rows = [...document.querySelectorAll('main [data-row]')];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  const focus = /** @type {HTMLElement} */ (next.matches('a') ? next : next.querySelector('a') ?? next);
  focus.focus();
  next.scrollIntoView({ block: 'nearest' });
}
