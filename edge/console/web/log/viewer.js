// @ts-check
// The log of an execution or of all jobs of a run, live or recorded, with its tools.
import { html } from 'htm/preact';
import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { API } from '../lib/api.js';
import { useKeys } from '../lib/keys.js';
import { place, setHash } from '../lib/router.js';
import { number, plural } from '../lib/format.js';
import { Empty } from '../parts/basics.js';
import { Dialog } from '../parts/dialog.js';
import { icons } from '../parts/icons.js';
import { LogStore } from './store.js';
import { RunLogStore } from './run-store.js';
import { LogWindow } from './window.js';
import { Search, highlight } from './search.js';
import { write } from './ansi.js';

/** The lines in a hash such as L120 or L120-L140. */
function lines(hash) {
  const m = /^L(\d+)(?:-L?(\d+))?$/.exec(hash);
  if (!m) return [0, 0];
  const [a, b] = [Number(m[1]), Number(m[2] ?? m[1])];
  return [Math.min(a, b), Math.max(a, b)];
}

/** A setting stored in the browser. @returns {[boolean, () => void]} */
function useChoice(name, initial) {
  const [on, setOn] = useState(() => (localStorage.getItem(`hodei.log.${name}`) ?? String(initial)) === 'true');
  return [on, () => setOn((was) => { localStorage.setItem(`hodei.log.${name}`, String(!was)); return !was; })];
}

function Folded({ line, onClose }) {
  const ref = useRef(null);
  useEffect(() => {
    for (const part of line.line.split('\r').filter(Boolean)) {
      const row = document.createElement('div');
      write(row, part, line.pen);
      ref.current.append(row);
    }
  }, []);
  return html`<${Dialog} title=${`All updates of line ${line.sequence}`} onClose=${onClose}><div class="folded mono" tabindex="0" ref=${ref}></div></${Dialog}>`;
}

const states = { waiting: 'Opening the log', live: 'Live', lost: 'Reconnecting', ended: 'Ended', refused: 'Not available' };

/** The tools above the lines. */
function Tools({ store, search, at, onSearch, onStep, box, tools }) {
  return html`<div class="log-bar">
    <span class="log-state is-${store.state}" role="status"><i aria-hidden="true"></i>${states[store.state]}</span>
    <span class="faint num log-count">${plural(store.count, 'line')}</span>
    <div class="log-search" role="search">${icons.search()}
      <input ref=${box} type="search" placeholder="Search" aria-label="Search the log" spellcheck="false" value=${search.text}
        onInput=${(e) => onSearch(e.currentTarget.value)} onKeyDown=${(e) => {
    if (e.key === 'Enter') { e.preventDefault(); onStep(e.shiftKey); }
    if (e.key === 'Escape') { onSearch(''); e.currentTarget.blur(); }
  }} />
      ${search.text && html`<span class="num faint" role="status">${search.error ? 'failed' : search.found.length ? `${number(at + 1)} of ${number(search.found.length)}${search.full ? '+' : ''}` : 'none'}${search.searched < store.count && !search.full && !search.error ? ` · ${Math.floor((100 * search.searched) / store.count)}%` : ''}</span>
        <button type="button" class="ghost tiny" onClick=${() => onStep(true)} aria-label="Previous match" title="Previous (N)"><span class="turn-up">${icons.down()}</span></button>
        <button type="button" class="ghost tiny" onClick=${() => onStep(false)} aria-label="Next match" title="Next (n)">${icons.down()}</button>`}
    </div>
    ${tools}
  </div>`;
}

/** @param {{execution?: any, run?: any, onEnd: () => void}} props one of execution and run */
export function LogViewer({ execution, run, onEnd }) {
  const of = run ?? execution;
  const [, render] = useReducer((n) => n + 1, 0);
  const scroller = useRef(null);
  const box = useRef(null);
  const view = useRef(/** @type {LogWindow | null} */ (null));
  const [wrap, turnWrap] = useChoice('wrap', false);
  const [times, turnTimes] = useChoice('times', false);
  const [pinned, setPinned] = useState(false);
  const [folded, setFolded] = useState(null);
  const [at, setAt] = useState(-1);
  const current = useRef(0);

  const { store, search } = useMemo(() => {
    let queued = false;
    const changed = () => {
      view.current?.draw();
      if (!queued) { queued = true; setTimeout(() => { queued = false; render(null); }, 100); }
    };
    const made = run ? new RunLogStore(run.id, changed) : new LogStore(execution.id, changed);
    const finder = new Search(made, changed);
    made.onLines = (first, fresh) => finder.more(first, fresh);
    return { store: made, search: finder };
  }, [of.id]);
  store.onEnd = onEnd;

  useEffect(() => {
    const window_ = view.current = new LogWindow(scroller.current, store, {
      pinned: setPinned, fold: setFolded, drawn: () => highlight(view.current.shown, search, current.current),
    });
    const live = !of.completed_at;
    const [first, last] = lines(place.peek().hash);
    if (live || run) store.live();
    else store.ended(execution.log_count);
    window_.mark(first, last);
    if (first) window_.show(first);
    else if (live || of.status !== 'COMPLETED') window_.end();
    return () => { store.close(); window_.close(); search.reset(''); };
  }, [store]);

  const { hash } = place.value;
  useEffect(() => {
    const [first, last] = lines(hash);
    view.current.mark(first, last);
    if (first && !view.current.shown.has(first)) view.current.show(first);
  }, [hash]);
  useEffect(() => { view.current.wrap = wrap; view.current.redraw(); }, [wrap]);

  const step = (back) => {
    const i = search.next(current.current || (back ? Infinity : 0), back);
    if (i < 0) return;
    current.current = search.found[i];
    setAt(i);
    view.current.show(current.current);
  };
  const look = (text) => {
    current.current = 0;
    setAt(-1);
    let begun = false;
    search.changedOnce = () => { if (!begun && search.found.length) { begun = true; step(false); } };
    search.look(text);
  };
  useEffect(() => { search.changedOnce(); });

  const pick = (event) => {
    const link = event.target.closest('a.log-number');
    if (!link) return;
    event.preventDefault();
    const n = Number(link.dataset.line);
    const [from] = lines(place.peek().hash);
    setHash(event.shiftKey && from ? `L${Math.min(from, n)}-L${Math.max(from, n)}` : `L${n}`);
  };

  useKeys({
    '/': { what: 'Search the log', run: () => box.current.focus() },
    n: { what: 'Next match', run: () => step(false) },
    N: { what: 'Previous match', run: () => step(true) },
    'g g': { what: 'First line of the log', run: () => view.current.show(1) },
    G: { what: 'Last line of the log, and follow it', run: () => view.current.end() },
    l: { what: 'Wrap long lines', run: turnWrap },
    t: { what: 'Show times', run: turnTimes },
  });

  const gone = execution && !execution.logs_available && execution.completed_at;
  const tools = html`<div class="log-tools">
    <button type="button" class="ghost" aria-pressed=${wrap} onClick=${turnWrap} title="Wrap long lines (l)">${icons.wrap()}<span>Wrap</span></button>
    <button type="button" class="ghost" aria-pressed=${times} onClick=${turnTimes} title="Show times (t)">${icons.clock()}<span>Times</span></button>
    ${execution && html`<a class="button ghost" href=${`${API}/executions/${execution.id}/logs?format=text`} download=${`${execution.id}.log`} title="Download the log as text">${icons.download()}<span>Raw</span></a>`}
  </div>`;
  return html`<section class="log ${wrap ? 'is-wrapped' : ''} ${times ? 'has-times' : ''}" aria-label="Log">
    <${Tools} store=${store} search=${search} at=${at} onSearch=${look} onStep=${step} box=${box} tools=${tools} />
    <div class="log-scroll" ref=${scroller} tabindex="0" role="region" aria-label="Lines of the log" onClick=${pick}>
      <div class="log-space"><div class="log-rows"></div></div>
    </div>
    ${store.error && html`<${Empty} title="Cannot read the log" text=${store.error.message} />`}
    ${gone && html`<${Empty} title="Log deleted" text="The retention period of logs has passed." />`}
    ${!gone && store.count === 0 && !store.error && html`<div class="log-nothing">${store.state === 'ended' ? 'No output' : of.status === 'PENDING' ? 'Waiting to start' : 'No output yet'}</div>`}
    ${!pinned && store.state !== 'ended' && store.count > 0 && html`<button type="button" class="log-jump" onClick=${() => view.current.end()}>${icons.down()}Jump to live</button>`}
    ${folded && html`<${Folded} line=${folded} onClose=${() => setFolded(null)} />`}
  </section>`;
}
