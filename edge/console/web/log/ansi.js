// @ts-check
// Colours. ansi_up converts one line to HTML. The codes that are still in force at
// the end of a line are stored as text, so that any line can be drawn by itself.
import { AnsiUp } from 'ansi_up';
import { harmlessLine } from '../lib/harmless.js';

const ESC = '\x1b';
const SGR = /\x1b\[([\d;:]*)m/g;
const ANY = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;

/** The codes in force after a line, given those before it. */
export function carry(pen, line) {
  if (!line.includes(ESC)) return pen;
  for (const [code, args] of line.matchAll(SGR)) {
    const reset = args === '' || args === '0' || args.startsWith('0;');
    if (!reset) pen += code;
    else pen = args.length > 2 ? code : '';
  }
  return pen.slice(-256);
}

/** The text without codes. */
export const plain = (line) => (line.includes(ESC) ? line.replace(ANY, '') : line);

/** The text that a terminal shows of a progress line, and how often it was redrawn. */
export function fold(line) {
  if (!line.includes('\r')) return { text: line, steps: 0 };
  const parts = line.split('\r').filter((part) => plain(part).trim() !== '');
  return { text: parts.at(-1) ?? '', steps: parts.length };
}

const up = new AnsiUp();
up.use_classes = true;

/** Puts a line into an element, with its colours. */
export function write(to, text, pen = '') {
  text = harmlessLine(text);
  if (!pen && !text.includes(ESC)) {
    to.textContent = text;
    return;
  }
  // The page allows no style attributes; set from a script they are allowed.
  to.innerHTML = up.ansi_to_html(`${pen}${text}${ESC}[0m`).replaceAll(' style="', ' data-style="');
  for (const el of to.querySelectorAll('[data-style]')) {
    el.style.cssText = el.dataset.style;
    delete el.dataset.style;
  }
  for (const link of to.querySelectorAll('a')) finish(link);
}

const address = (text) => { try { return new URL(text); } catch { return null; } };

/** A link shows its address, unless its text is an address of that host. */
function finish(link) {
  Object.assign(link, { rel: 'noreferrer noopener', target: '_blank', title: link.href });
  const shown = address(link.textContent.trim());
  if (shown?.protocol !== link.protocol || shown.host !== link.host || shown.username !== link.username) link.dataset.host = link.host;
}
