// @ts-check
// Server-sent events over fetch. Unlike EventSource it delivers the frames of a
// chunk together, and reports when it reconnects.

const SILENCE = 45_000; // three keep-alives
const PAUSES = [200, 400, 800, 1500, 3000];

/**
 * Reads a stream until its `done` frame or its abort. It throws errors that a
 * retry cannot fix. After any other interruption it waits and resumes after the
 * last id.
 *
 * @param {string} url
 * @param {{signal: AbortSignal, lastId?: string, open?: () => void, lost?: () => void,
 *   frames: (frames: {id: string, event: string, data: string}[]) => void}} to
 */
export async function follow(url, to) {
  let lastId = to.lastId ?? '';
  for (let tries = 0; !to.signal.aborted;) {
    const began = performance.now();
    try {
      for await (const frames of connect(url, lastId, to)) {
        tries = 0;
        lastId = frames.at(-1).id || lastId;
        to.frames(frames);
        if (frames.some((f) => f.event === 'done')) return;
      }
    } catch (error) {
      if (to.signal.aborted) return;
      if (error.refused) throw error;
    }
    if (to.signal.aborted) return;
    to.lost?.();
    if (performance.now() - began > 10_000) tries = 0;
    await pause(PAUSES[Math.min(tries++, PAUSES.length - 1)], to.signal);
  }
}

async function* connect(url, lastId, to) {
  const dead = new AbortController();
  const stop = () => dead.abort();
  to.signal.addEventListener('abort', stop);
  let silence = setTimeout(stop, SILENCE);
  try {
    const headers = { Accept: 'text/event-stream' };
    if (lastId) headers['Last-Event-ID'] = lastId;
    const response = await fetch(url, { headers, signal: dead.signal, cache: 'no-store' });
    if (!response.ok || !response.body) throw await refusal(response);
    to.open?.();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser(lastId);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE);
      const frames = parse(value);
      if (frames.length) yield frames;
    }
  } finally {
    clearTimeout(silence);
    to.signal.removeEventListener('abort', stop);
    dead.abort();
  }
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  const error = Object.assign(new Error(body.message || `HTTP status ${response.status}`), body);
  return Object.assign(error, { refused: response.status < 500 && response.status !== 429, status: response.status });
}

/** A parser keeps an incomplete frame and the last id. */
function parser(id) {
  let rest = '';
  return (text) => {
    rest += text;
    const end = rest.lastIndexOf('\n\n');
    if (end < 0) return [];
    const whole = rest.slice(0, end);
    rest = rest.slice(end + 2);
    const frames = [];
    for (const block of whole.split('\n\n')) {
      let event = 'message';
      let data = '';
      let spoke = false;
      for (const line of block.split('\n')) {
        if (line.startsWith('id: ')) { id = line.slice(4); spoke = true; }
        else if (line.startsWith('event: ')) event = line.slice(7);
        else if (line.startsWith('data: ')) { data += line.slice(6); spoke = true; }
      }
      if (spoke) frames.push({ id, event, data });
    }
    return frames;
  };
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(undefined); }, { once: true });
  });
}
