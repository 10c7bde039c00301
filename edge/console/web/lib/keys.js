// @ts-check
// Keyboard shortcuts. A shortcut is one key, or a sequence of two such as "g o".
import { useLayoutEffect, useRef } from 'preact/hooks';
import { may } from './me.js';

const active = [];
const CHORD = 1200; // ms within which the second key follows the first
let prefix = { key: '', at: 0 };

const typing = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector('dialog[open]')) return;
  if (event.key === 'Shift') return;
  // Use the time of the key press: a busy page receives the event late.
  const pressed = prefix.key && event.timeStamp - prefix.at < CHORD ? `${prefix.key} ${event.key}` : event.key;
  prefix = { key: '', at: 0 };
  for (const shortcut of active.toReversed()) {
    const entry = shortcut.current[pressed];
    if (entry && may(entry.role ?? 'viewer')) {
      event.preventDefault();
      entry.run(event);
      return;
    }
  }
  if (active.some((s) => Object.keys(s.current).some((key) => key.startsWith(`${event.key} `)))) {
    prefix = { key: event.key, at: event.timeStamp };
  }
});

/**
 * Activates shortcuts while the component is mounted; `?` lists them.
 *
 * @param {Record<string, {what: string, role?: string, run: (event: KeyboardEvent) => void}>} shortcuts those with a role are for users who have it
 */
export function useKeys(shortcuts) {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useLayoutEffect(() => { // active as soon as the component is visible
    active.push(latest);
    return () => { active.splice(active.indexOf(latest), 1); };
  }, []);
}

/** The active shortcuts, in order of registration. */
export const shortcuts = () => active.flatMap((s) => Object.entries(s.current).filter(([, { role }]) => may(role ?? 'viewer')).map(([key, { what }]) => ({ key, what })));

/** Moves the focus between rows of lists, for j and k. */
export function moveRow(by) {
  const rows = [...document.querySelectorAll('main [data-row]')];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  const focus = /** @type {HTMLElement} */ (next.matches('a') ? next : next.querySelector('.row-link') ?? next.querySelector('a') ?? next);
  focus.focus();
  next.scrollIntoView({ block: 'nearest' });
}
