// @ts-check
// The page: the frame, the routes of the views, and the global shortcuts.
import { html, render } from 'htm/preact';
import { Component } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { guardViews } from './lib/harmless.js';
import { connection, start } from './lib/live.js';
import { may, me } from './lib/me.js';
import { go, href, match, place } from './lib/router.js';
import { moveRow, shortcuts, useKeys } from './lib/keys.js';
import { useTitle } from './lib/use.js';
import { Empty, Failure } from './parts/basics.js';
import { Corner, Dialog } from './parts/dialog.js';
import { icons } from './parts/icons.js';
import { Overview } from './views/overview.js';
import { Pipelines } from './views/pipelines.js';
import { Pipeline } from './views/pipeline.js';
import { PipelineForm } from './views/pipeline-form.js';
import { Job } from './views/job.js';
import { JobForm } from './views/job-form.js';
import { Run } from './views/run.js';
import { Runs } from './views/runs.js';
import { Executions } from './views/executions.js';
import { Execution } from './views/execution.js';
import { Queue } from './views/queue.js';
import { Workers } from './views/workers.js';
import { Worker } from './views/worker.js';
import { WorkerKeys } from './views/worker-keys.js';
import { SignIn, identify, signOut } from './views/sign-in.js';
import { Secrets } from './views/secrets.js';
import { Device } from './views/device.js';
import { Schedules } from './views/schedules.js';
import { Schedule } from './views/schedule.js';
import { Hooks } from './views/hooks.js';
import { Hook } from './views/hook.js';
import { Notifications } from './views/notifications.js';
import { Tokens } from './views/tokens.js';
import { Audit } from './views/audit.js';
import { Why } from './views/why.js';

const views = [
  ['/', Overview],
  ['/pipelines', Pipelines],
  ['/pipelines/new', PipelineForm],
  ['/pipelines/:id', Pipeline],
  ['/pipelines/:id/edit', PipelineForm],
  ['/pipelines/:pipeline/jobs/new', JobForm],
  ['/jobs/:id', Job],
  ['/jobs/:id/edit', JobForm],
  ['/runs', Runs],
  ['/runs/:id', Run],
  ['/executions', Executions],
  ['/executions/:id', Execution],
  ['/queue', Queue],
  ['/workers', Workers],
  ['/workers/keys', WorkerKeys],
  ['/workers/:id', Worker],
  ['/secrets', Secrets],
  ['/device', Device],
  ['/schedules', Schedules],
  ['/schedules/:id', Schedule],
  ['/hooks', Hooks],
  ['/hooks/:id', Hook],
  ['/notifications', Notifications],
  ['/tokens', Tokens],
  ['/audit', Audit],
  ['/why', Why],
];

const places = [
  ['/', 'Overview', 'overview', 'o'],
  ['/pipelines', 'Pipelines', 'pipelines', 'p'],
  ['/runs', 'Runs', 'runs', 'r'],
  ['/executions', 'Executions', 'executions', 'e'],
  ['/queue', 'Queue', 'queue', 'q'],
  ['/workers', 'Workers', 'workers', 'w'],
  ['/schedules', 'Schedules', 'schedules', 'c'],
  ['/hooks', 'Hooks', 'hooks', 'h'],
  ['/notifications', 'Notifications', 'notifications', 'n'],
  ['/secrets', 'Secrets', 'secrets', 's', 'admin'],
  ['/tokens', 'Tokens', 'tokens', 't', 'admin'],
  ['/audit', 'Audit log', 'audit', 'a', 'admin'],
  ['/why', 'Placement', 'why', 'y'],
];

const theme = signal(document.documentElement.dataset.theme ?? 'auto');
const themes = { auto: 'light', light: 'dark', dark: 'auto' };

function turnTheme() {
  theme.value = themes[theme.value];
  if (theme.value === 'auto') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem('hodei.theme');
  } else {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem('hodei.theme', theme.value);
  }
}

function NotFound() {
  useTitle('Not found');
  return html`<${Empty} title="Page not found"><p><a href=${href('/')}>Go to overview</a></p></${Empty}>`;
}

/** Contains the failure of a view. */
class Guard extends Component {
  static getDerivedStateFromError(error) { return { error }; }

  render({ children }, { error }) {
    if (!error) return children;
    console.error(error);
    return html`<${Failure} error=${error} retry=${() => this.setState({ error: null })} />`;
  }
}

function View() {
  const { path } = place.value;
  for (const [pattern, view] of views) {
    const params = match(pattern, path);
    if (params) return html`<${Guard} key=${path}><${view} ...${params} /></${Guard}>`;
  }
  return html`<${NotFound} />`;
}

const states = { connecting: 'Connecting', live: 'Live', lost: 'Reconnecting' };

function Sidebar({ onHelp }) {
  const here = place.value.path;
  const on = (path) => (path === '/' ? here === '/' : here === path || here.startsWith(`${path}/`) || (path === '/pipelines' && here.startsWith('/jobs/')));
  return html`<nav class="sidebar" aria-label="Main">
    <a class="brand" href=${href('/')}><svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path d="M10.5 22.5a4.75 4.75 0 0 1-.7-9.45 6.6 6.6 0 0 1 12.75 1.5 4 4 0 0 1-.55 7.95z" /></svg>Hodei</a>
    <ul>${places.filter(([, , , , role]) => may(role ?? 'viewer')).map(([path, text, icon]) => html`<li key=${path}><a href=${href(path)} aria-current=${on(path) ? 'page' : undefined}>${icons[icon]()}<span>${text}</span></a></li>`)}</ul>
    ${me.value.kind !== 'local' && html`<div class="me"><span title=${`Role: ${me.value.role}`}>${me.value.name} · ${me.value.role}</span><button type="button" class="ghost tiny" onClick=${signOut}>Sign out</button></div>`}
    <div class="sidebar-foot">
      <span class="connection is-${connection.value}" role="status"><i aria-hidden="true"></i><span>${states[connection.value]}</span></span>
      <button type="button" class="ghost" onClick=${turnTheme} title=${`Theme: ${theme.value}`} aria-label=${`Theme: ${theme.value}. Change theme`}>${icons[theme.value === 'auto' ? 'auto' : theme.value === 'light' ? 'sun' : 'moon']()}</button>
      <button type="button" class="ghost help" onClick=${onHelp} title="Keyboard shortcuts (?)" aria-label="Keyboard shortcuts">${icons.keyboard()}</button>
    </div>
  </nav>`;
}

function Banner() {
  const [shown, setShown] = useState(false);
  const lost = connection.value === 'lost';
  useEffect(() => { // no banner for a short interruption
    const timer = setTimeout(() => setShown(lost), lost ? 800 : 0);
    return () => clearTimeout(timer);
  }, [lost]);
  return shown && lost && html`<div class="banner" role="alert">Connection to Hodei lost. The page may be out of date. Reconnecting…</div>`;
}

function Help({ onClose }) {
  return html`<${Dialog} title="Keyboard shortcuts" onClose=${onClose} cls="narrow">
    <table class="keys"><tbody>${shortcuts().map(({ key, what }) => html`<tr key=${key}><th scope="row">${key.split(' ').map((k) => html`<kbd>${k === 'Escape' ? 'Esc' : k}</kbd>`)}</th><td>${what}</td></tr>`)}</tbody></table>
  </${Dialog}>`;
}

function App() {
  if (me.value === undefined) return null;
  return me.value ? html`<${Frame} />` : html`<${SignIn} />`;
}

function Frame() {
  const [help, setHelp] = useState(false);
  useEffect(start, []);
  useKeys({
    ...Object.fromEntries(places.map(([path, text, , key, role]) => [`g ${key}`, { what: `Go to ${text}`, role, run: () => go(href(path)) }])),
    j: { what: 'Next row', run: () => moveRow(1) },
    k: { what: 'Previous row', run: () => moveRow(-1) },
    '?': { what: 'Keyboard shortcuts', run: () => setHelp(true) },
    T: { what: 'Change the theme', run: turnTheme },
  });
  return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.querySelector('main')?.focus(); }}>Skip to the content</a>
    <${Sidebar} onHelp=${() => setHelp(true)} />
    <main id="main" tabindex="-1"><${Banner} /><${View} /></main>
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}<${Corner} />`;
}

guardViews();
identify();
render(html`<${App} />`, document.getElementById('app'));
