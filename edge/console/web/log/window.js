// @ts-check
// The visible part of a log: the page contains only the visible lines, and a few
// before and after them. One rule places them: when the scroll bar is at the
// fraction p of its way, line p × count is at the fraction p of the window's
// height. For lines of one height that is plain scrolling. The rule also holds
// for wrapped lines of any height, and for logs taller than a browser can scroll.
import { hourMinute } from '../lib/format.js';
import { fold, write } from './ansi.js';

export const ROW = 20; // pixels, as in log.css
const TALLEST = 12_000_000; // pixels; browsers limit the height of an element to little more
const BEYOND = 30; // lines before and after the visible ones

export class LogWindow {
  /**
   * @param {HTMLElement} scroller holds `.log-space` and `.log-rows`
   * @param {import('./store.js').LogStore} store
   * @param {{pinned: (on: boolean) => void, fold: (line: any) => void, drawn: (first: number, last: number) => void}} on
   */
  constructor(scroller, store, on) {
    this.scroller = scroller;
    this.space = /** @type {HTMLElement} */ (scroller.querySelector('.log-space'));
    this.rows = /** @type {HTMLElement} */ (scroller.querySelector('.log-rows'));
    this.store = store;
    this.on = on;
    this.count = 0;
    this.max = 0;
    this.at = 0;
    this.pinned = false;
    this.wanted = 0; // a line to scroll to
    this.wrap = false;
    this.target = [0, 0];
    /** @type {Map<number, HTMLElement>} */
    this.shown = new Map();
    this.frame = 0;
    this.onScroll = () => this.scrolled();
    scroller.addEventListener('scroll', this.onScroll, { passive: true });
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(scroller);
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.resize.disconnect();
    this.scroller.removeEventListener('scroll', this.onScroll);
  }

  scrolled() {
    if (this.wanted) return; // the event belongs to an earlier scroll
    const top = this.scroller.scrollTop;
    const end = this.scroller.scrollHeight - this.scroller.clientHeight;
    const up = top < this.at - 1;
    if (top < end - 2 && up) this.pin(false); // a window that grows moves its end, too
    else if (top >= end - 2 && !up) this.pin(true);
    this.at = top;
    this.draw();
  }

  pin(on) {
    if (this.pinned === on) return;
    this.pinned = on;
    this.on.pinned(on);
  }

  /** Draws at the next frame. */
  draw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.render(); });
  }

  /** Draws every visible line anew. */
  redraw() {
    for (const row of this.shown.values()) row.remove();
    this.shown.clear();
    this.draw();
  }

  end() {
    this.pin(true);
    this.draw();
  }

  /** Scrolls to a line, which is then at a third of the height. */
  show(sequence) {
    this.pin(false);
    this.wanted = sequence;
    this.draw();
  }

  /** How far down the scroll bar is when the line at index lies at y. */
  progress(index, y, height) {
    return Math.min(1, Math.max(0, (y - index * ROW) / (height - this.count * ROW || 1)));
  }

  scrollTo(top) {
    this.scroller.scrollTop = top;
    this.at = this.scroller.scrollTop;
  }

  render() {
    const height = this.scroller.clientHeight;
    if (!height) return;
    this.fit(height);
    if (this.pinned) this.scrollTo(this.max);
    else if (this.wanted) this.scrollTo(this.progress(this.wanted - 1, height / 3, height) * this.max);
    this.wanted = 0;

    const p = this.max ? Math.min(1, this.at / this.max) : 0;
    const anchor = p * this.count;
    const first = Math.max(0, Math.floor(anchor - (p * height) / ROW) - BEYOND);
    const last = Math.min(this.count, Math.ceil(anchor + ((1 - p) * height) / ROW) + BEYOND);
    this.store.sight = [first + 1, last];
    this.fill(first + 1, last);
    this.place(p, anchor, first, height);
    this.on.drawn(first + 1, last);
  }

  /** Makes the space as tall as the log. The visible lines keep their place. */
  fit(height) {
    const { count } = this.store;
    const before = this.count;
    const p = this.max ? this.at / this.max : 0;
    this.count = count;
    const tall = Math.min(count * ROW, TALLEST);
    const max = Math.max(0, tall - height);
    if (max === this.max && count === before) return;
    this.space.style.height = `${tall}px`;
    const moves = this.wrap || count * ROW > TALLEST;
    this.max = max;
    if (moves && before && !this.pinned && count !== before) this.scrollTo(this.progress(p * before, p * height, height) * max);
  }

  fill(first, last) {
    for (const [sequence, row] of this.shown) {
      const stale = row.dataset.waits && this.store.line(sequence);
      if (sequence < first || sequence > last || stale) {
        row.remove();
        this.shown.delete(sequence);
      }
    }
    let after = null;
    for (let sequence = first; sequence <= last; sequence++) {
      let row = this.shown.get(sequence);
      if (!row) {
        row = this.row(sequence);
        this.shown.set(sequence, row);
        if (after) after.after(row);
        else this.rows.prepend(row);
      }
      after = row;
    }
  }

  /** Moves the rows to their place. */
  place(p, anchor, first, height) {
    let top = first * ROW;
    if (this.wrap || this.count * ROW > TALLEST) {
      const index = Math.min(this.count - 1, Math.floor(anchor));
      const row = this.shown.get(index + 1);
      if (row) top = this.at + p * height - (anchor - index) * row.offsetHeight - row.offsetTop;
      if (this.count * ROW <= height) top = 0;
    }
    this.rows.style.transform = `translateY(${top}px)`;
  }

  row(sequence) {
    const line = this.store.line(sequence);
    const row = document.createElement('div');
    row.className = 'log-row';
    const number = document.createElement('a');
    number.className = 'log-number';
    number.href = `#L${sequence}`;
    number.dataset.line = String(sequence);
    number.textContent = String(sequence);
    row.append(number);
    if (sequence >= this.target[0] && sequence <= this.target[1]) row.classList.add('is-target');
    if (!line) {
      row.dataset.waits = '1';
      row.classList.add('is-waiting');
      return row;
    }
    this.write(row, line);
    return row;
  }

  write(row, line) {
    if (line.timestamp) {
      const time = document.createElement('time');
      time.className = 'log-time';
      time.textContent = `${hourMinute(line.timestamp)}:${line.timestamp.slice(17, 23).padEnd(6, '0').replace('Z', '')}`;
      row.append(time);
    }
    if (line.job) {
      const job = document.createElement('span');
      job.className = 'log-job';
      job.textContent = line.job;
      row.append(job);
    }
    const { text, steps } = fold(line.line);
    const body = document.createElement('span');
    body.className = 'log-text';
    write(body, text, line.pen);
    if (line.stream === 'stderr') {
      row.classList.add('is-stderr');
      const mark = document.createElement('span');
      mark.className = 'visually-hidden';
      mark.textContent = 'stderr: ';
      row.append(mark);
    }
    row.append(body);
    if (steps > 1) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'log-fold';
      button.textContent = `${steps} updates`;
      button.title = 'A line that redrew itself; show every state of it';
      button.onclick = () => this.on.fold(line);
      row.append(button);
    }
    if (line.partial) row.classList.add('is-partial');
  }

  /** Marks the lines that the URL names. */
  mark(first, last) {
    this.target = [first, last];
    for (const [sequence, row] of this.shown) row.classList.toggle('is-target', sequence >= first && sequence <= last);
  }
}
