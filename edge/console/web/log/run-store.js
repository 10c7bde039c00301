// @ts-check
// The lines of all jobs of a run, in the order of its stream. They are numbered
// here. Only the newest are in memory.
import { API } from '../lib/api.js';
import { carry } from './ansi.js';
import { LogStore, PAGE } from './store.js';

const KEEP = 100_000; // lines

/** @typedef {import('./store.js').Line} Line */

export class RunLogStore extends LogStore {
  /** @param {string} id @param {() => void} changed */
  constructor(id, changed) {
    super(id, changed);
    /** @type {Line[]} */
    this.lines = [];
    this.gone = 0; // number of lines before these
    this.at = ''; // the position in the stream
    /** The colours in force after the last line of each job. @type {Map<string, string>} */
    this.pens = new Map();
  }

  address() { return `${API}/runs/${this.id}/logs/stream?follow=true`; }

  position() { return this.at; }

  take(frames) {
    const fresh = [];
    let end = null;
    for (const frame of frames) {
      this.at = frame.id || this.at;
      if (frame.event === 'done') end = JSON.parse(frame.data);
      else if (frame.event === 'message' && frame.data) fresh.push(this.numbered(JSON.parse(frame.data)));
    }
    if (fresh.length) {
      this.lines.push(...fresh);
      if (this.lines.length > KEEP + PAGE) this.gone += this.lines.splice(0, this.lines.length - KEEP).length;
      this.onLines(fresh[0].sequence, fresh);
    }
    if (end) {
      this.state = 'ended';
      this.onEnd(end);
    }
    this.changed();
  }

  /** The line as it is shown, with its number here. */
  numbered(line) {
    const pen = this.pens.get(line.job) ?? '';
    this.pens.set(line.job, carry(pen, line.line));
    return { ...line, pen, sequence: ++this.count };
  }

  line(sequence) {
    if (sequence > this.gone) return this.lines[sequence - 1 - this.gone];
    return { stream: 'stdout', line: '(no longer here: see the log of the job)', sequence };
  }

  async read(after, most, _signal) {
    await new Promise((resolve) => { setTimeout(resolve); });
    const from = Math.max(0, after - this.gone);
    return this.lines.slice(from, from + most);
  }
}
