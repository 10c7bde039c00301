// @ts-check
// Formatting for display.

/** Seconds as "340 ms", "12.4 s", "3m 04s", "2h 05m", "3d 4h". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  const s = Math.max(0, seconds);
  if (s < 0.001) return '< 1 ms';
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.floor(s)} s`;
  const two = (n) => String(Math.floor(n)).padStart(2, '0');
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${two((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
}

/** A duration that ticks shows no fractions. */
export const ticking = (seconds) => (seconds < 1 ? '0 s' : duration(seconds < 10 ? Math.floor(seconds) + 0.0001 : seconds).replace('.0 s', ' s'));

/** How long ago, or until when, rounded. */
export function ago(time, at) {
  const s = (at - Date.parse(time)) / 1000;
  if (s < -5) return `in ${span(-s)}`;
  if (s < 5) return 'just now';
  return `${span(s)} ago`;
}

function span(s) {
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

const day = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const minute = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });

export const clock = (t) => time.format(new Date(t));
export const hourMinute = (t) => minute.format(new Date(t));
/** The time of day, with the date unless it is today. */
export const moment = (t) => (new Date(t).toDateString() === new Date().toDateString() ? clock(t) : dateTime(t));
export const dateTime = (t) => `${day.format(new Date(t))}, ${clock(t)}`;

const grouped = new Intl.NumberFormat('en-US');
export const number = (n) => (n === null || n === undefined ? '–' : grouped.format(n).replaceAll(',', '\u2009'));
export const percent = (share) => (share === null || share === undefined ? '–' : `${Math.round(share * 100)}%`);

/** Bytes as "12.4 MiB". */
export function bytes(n) {
  if (n === null || n === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export const plural = (n, word) => `${number(n)} ${word}${n === 1 ? '' : 's'}`;

/** The end of an id: ids created at the same time have the same beginning. */
export const shortId = (id) => (id ? id.slice(-8) : '');

/** A command as typed in a shell. */
export function commandText(command) {
  if (!command) return '';
  if (typeof command === 'string') return command;
  return command.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

/** A short name of a command: the script of `sh -c script`. */
export function commandTitle(command) {
  const script = Array.isArray(command) && command.length === 3 && /(^|\/)(ba|da|z)?sh$/.test(command[0]) && command[1] === '-c';
  return firstLine(script ? command[2] : commandText(command));
}

export const firstLine = (text) => text.trim().split('\n')[0];

/** "EXIT_CODE" as "exit code". */
export const words = (constant) => (constant ?? '').toLowerCase().replaceAll('_', ' ');
