// @ts-check
// The lines of one log. The stream delivers the newest; others are read from the
// record, a page at a time, when they become visible. Sequence numbers have no
// gaps, so the number of a line is its position. Only a damaged log lacks lines;
// their positions stay empty.
import { API, get } from '../lib/api.js';
import { follow } from '../lib/sse.js';
import { carry } from './ansi.js';

export const PAGE = 1000;
const HIDDEN = 30_000; // ms after which a hidden tab closes its connection: a browser has few
const KEEP = 120; // pages in memory: 120,000 lines, however long the log

/**
 * @typedef {{timestamp?: string, stream: string, line: string, sequence: number, partial?: boolean, pen?: string, job?: string}} Line
 * @typedef {{lines: Line[], have: number, used: number, whole: boolean, loading: boolean, endPen: string}} Page
 */

/**
 * A client of NATS may publish a line that is not JSON. Its data are the text then.
 * @param {{id: string, data: string}} frame @returns {Line}
 */
function readLine(frame) {
  try {
    return JSON.parse(frame.data);
  } catch {
    return { stream: 'stdout', line: frame.data, sequence: Number(frame.id) };
  }
}

export class LogStore {
  /** @param {string} id @param {() => void} changed */
  constructor(id, changed) {
    this.id = id;
    this.changed = changed;
    this.count = 0;
    /** "waiting", "live", "lost", "ended", or "refused". */
    this.state = 'waiting';
    this.error = null;
    /** @type {Map<number, Page>} */
    this.pages = new Map();
    this.clock = 0;
    /** The first and the last visible line. */
    this.sight = [1, 1];
    this.last = 0; // the last line that the stream has delivered
    this.stop = new AbortController();
    /** Called with new lines of the stream and the number of the first. */
    this.onLines = (_first, _lines) => {};
    this.onEnd = (_end) => {};
  }

  /** Follows the log while the tab is visible or may become visible again. */
  live() {
    this.follow();
    let timer = 0;
    const seen = () => {
      clearTimeout(timer);
      if (document.hidden) timer = window.setTimeout(() => this.stream.abort(), HIDDEN);
      else if (this.stream.signal.aborted && this.state !== 'ended') this.follow();
    };
    const left = () => this.stream.abort(); // a page in the back/forward cache must not keep its connection
    document.addEventListener('visibilitychange', seen);
    window.addEventListener('pagehide', left);
    window.addEventListener('pageshow', seen);
    this.stop.signal.addEventListener('abort', () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
      window.removeEventListener('pagehide', left);
      window.removeEventListener('pageshow', seen);
      this.stream.abort();
    });
  }

  address() { return `${API}/executions/${this.id}/logs/stream?follow=true&tail=${PAGE}`; }

  /** The position after which the stream resumes. */
  position() { return this.last ? String(this.last) : ''; }

  follow() {
    this.stream = new AbortController();
    follow(this.address(), {
      signal: this.stream.signal,
      lastId: this.position(),
      open: () => this.setState('live'),
      lost: () => this.setState('lost'),
      frames: (frames) => this.take(frames),
    }).catch((error) => { this.error = error; this.setState('refused'); });
  }

  /** Sets the number of lines of a log that has ended, which is not followed. */
  ended(count) {
    this.count = count;
    this.setState('ended');
  }

  close() { this.stop.abort(); }

  setState(state) {
    if (this.state === 'ended') return;
    this.state = state;
    this.changed();
  }

  take(frames) {
    const lines = [];
    let end = null;
    for (const frame of frames) {
      if (frame.event === 'done') end = JSON.parse(frame.data);
      else if (frame.data) lines.push(readLine(frame));
      else this.count = Math.max(this.count, Number(frame.id)); // an empty frame contains only the position
    }
    const fresh = lines.filter((l) => l.sequence > this.last); // a reconnect may repeat lines
    if (fresh.length) {
      this.last = fresh.at(-1).sequence;
      this.put(fresh);
      this.count = Math.max(this.count, this.last);
      this.onLines(fresh[0].sequence, fresh);
    }
    if (end) {
      this.count = Math.max(this.count, end.log_count);
      this.state = 'ended';
      this.onEnd(end);
    }
    this.changed();
  }

  /** Stores lines, which are in order. */
  put(lines) {
    const touched = new Set();
    for (const line of lines) {
      const at = Math.floor((line.sequence - 1) / PAGE);
      const page = this.page(at);
      const i = (line.sequence - 1) % PAGE;
      if (!page.lines[i]) page.have++;
      page.lines[i] = line;
      if (page.have === PAGE) page.whole = true;
      touched.add(at);
    }
    for (const at of [...touched].sort((a, b) => a - b)) this.paint(at, lines[0].sequence);
    this.forget();
  }

  page(at) {
    let page = this.pages.get(at);
    if (!page) this.pages.set(at, page = { lines: [], have: 0, used: 0, whole: false, loading: false, endPen: '' });
    page.used = ++this.clock;
    return page;
  }

  /** Carries colours from line to line, and into the following pages. */
  paint(at, from) {
    for (let changed = true; changed; at++) {
      const page = this.pages.get(at);
      if (!page) return;
      const start = Math.max(0, from - 1 - at * PAGE);
      const before = page.lines[start - 1];
      let pen = start > 0 ? (before ? carry(before.pen ?? '', before.line) : '') : this.pages.get(at - 1)?.endPen ?? '';
      for (let i = start; i < page.lines.length; i++) {
        const line = page.lines[i];
        if (!line) continue;
        if (pen || line.pen) line.pen = pen;
        pen = carry(pen, line.line);
      }
      changed = pen !== page.endPen && page.lines.length === PAGE;
      page.endPen = pen;
      from = 0;
    }
  }

  /** The line; undefined while it is not in memory, and then it is read. */
  line(sequence) {
    const at = Math.floor((sequence - 1) / PAGE);
    const page = this.page(at);
    const line = page.lines[(sequence - 1) % PAGE];
    if (!line && !page.whole && !page.loading) this.load(at);
    return line;
  }

  inSight(at) { return at * PAGE < this.sight[1] && (at + 1) * PAGE >= this.sight[0]; }

  async load(at) {
    const page = this.page(at);
    page.loading = true;
    try {
      await new Promise((resolve) => { setTimeout(resolve, 40); });
      if (!this.inSight(at)) return; // scrolled past
      const lines = await this.read(at * PAGE, PAGE, this.stop.signal);
      this.put(lines);
      // The stream delivers what is not recorded yet, or the next call reads it.
      if (this.state === 'ended' || page.have >= PAGE) page.whole = true;
      else await new Promise((resolve) => { setTimeout(resolve, 500); });
    } catch (error) {
      if (this.stop.signal.aborted) return;
      await new Promise((resolve) => { setTimeout(resolve, 1500); });
    } finally {
      page.loading = false;
    }
    this.changed();
  }

  /** Reads up to `most` recorded lines after a sequence. */
  async read(after, most, signal) {
    const lines = [];
    for (let cursor = String(after); lines.length < most;) {
      const page = await get(`/executions/${this.id}/logs`, { cursor, limit: most - lines.length }, signal);
      lines.push(...page.items);
      cursor = page.next_cursor;
      if (!cursor) break;
    }
    return lines.filter((l) => l.sequence <= after + most);
  }

  /** Removes the least recently used pages from memory. */
  forget() {
    if (this.pages.size <= KEEP) return;
    const old = [...this.pages].filter(([, p]) => p.whole && !p.loading).sort((a, b) => a[1].used - b[1].used);
    for (const [at] of old.slice(0, this.pages.size - KEEP)) this.pages.delete(at);
  }
}
