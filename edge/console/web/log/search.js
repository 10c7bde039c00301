// @ts-check
// The search in a log: from the first line to the last, in steps that leave time
// for the user, and then in new lines as the stream delivers them.
import { fold, plain } from './ansi.js';
import { PAGE } from './store.js';

const STEP = 5000; // lines read at once
const MOST = 100_000; // lines found

export class Search {
  /** @param {import('./store.js').LogStore} store @param {() => void} changed */
  constructor(store, changed) {
    this.store = store;
    this.changed = changed;
    this.changedOnce = () => {}; // called after each drawing: scrolls to the first match
    this.reset('');
  }

  reset(text) {
    this.stop?.abort();
    this.text = text;
    this.fold = text === text.toLowerCase(); // a capital letter makes the case significant
    this.found = [];
    this.searched = 0;
    this.full = false;
    this.error = null;
  }

  /** Searches for another text. */
  async look(text) {
    this.reset(text);
    this.changed();
    if (!text) return;
    const stop = this.stop = new AbortController();
    try {
      while (this.searched < this.store.count && !this.full) {
        const lines = await this.lines(this.searched, stop.signal);
        if (stop.signal.aborted) return;
        if (!lines.length) break; // not recorded yet: the stream delivers it
        this.take(lines);
        this.changed();
      }
    } catch (error) {
      if (!stop.signal.aborted) { this.error = error; this.changed(); }
    }
  }

  /** The next lines, from memory if they are there. */
  async lines(after, signal) {
    const page = this.store.pages.get(Math.floor(after / PAGE));
    const rest = page?.lines.slice(after % PAGE) ?? [];
    if (rest.length && rest.every(Boolean) && rest[0]?.sequence === after + 1) {
      await new Promise((resolve) => { setTimeout(resolve); });
      return rest;
    }
    return this.store.read(after, STEP, signal);
  }

  take(lines) {
    for (const line of lines) {
      if (line.sequence <= this.searched) continue;
      this.searched = line.sequence;
      if (!this.matches(line)) continue;
      if (this.found.length >= MOST) { this.full = true; return; }
      this.found.push(line.sequence);
    }
  }

  /** Searches new lines, if all lines before them are searched. */
  more(first, lines) {
    if (this.text && first <= this.searched + 1) this.take(lines);
  }

  matches(line) {
    const text = plain(fold(line.line).text);
    return (this.fold ? text.toLowerCase() : text).includes(this.text);
  }

  /** The index in `found` of the next match after a line, or before it. It wraps around. */
  next(from, back) {
    const { found } = this;
    if (!found.length) return -1;
    if (back) {
      const i = found.findLastIndex((n) => n < from);
      return i < 0 ? found.length - 1 : i;
    }
    const i = found.findIndex((n) => n > from);
    return i < 0 ? 0 : i;
  }
}

const paint = globalThis.CSS && 'highlights' in CSS;

/** Highlights the matches in the visible rows, without a change of their elements. */
export function highlight(rows, search, current) {
  if (!paint) return;
  const ranges = [];
  const here = [];
  if (search.text) {
    for (const [sequence, row] of rows) {
      const body = row.querySelector('.log-text');
      if (!body) continue;
      const texts = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const node = /** @type {Text} */ (texts.currentNode);
        const text = search.fold ? node.data.toLowerCase() : node.data;
        for (let i = text.indexOf(search.text); i >= 0; i = text.indexOf(search.text, i + search.text.length)) {
          const range = new Range();
          range.setStart(node, i);
          range.setEnd(node, i + search.text.length);
          (sequence === current ? here : ranges).push(range);
        }
      }
    }
  }
  CSS.highlights.set('found', new Highlight(...ranges));
  CSS.highlights.set('found-here', new Highlight(...here));
}
