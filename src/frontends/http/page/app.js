// The frame: who is logged in, which screen is shown, and the beat that keeps it up to date.

import { h, button, field, notice, span, number } from './dom.js';
import * as server from './server.js';
import overview from './overview.js';
import latency from './latency.js';
import costs from './costs.js';
import keys from './keys.js';
import prefixes from './prefixes.js';
import sample from './sample.js';
import slow from './slow.js';
import clients from './clients.js';
import locks from './locks.js';
import persistence from './persistence.js';
import settings from './settings.js';
import terminal from './terminal.js';

const SCREENS = {
  overview: ['Overview', overview],
  latency: ['Latency', latency],
  commands: ['Commands', costs],
  keys: ['Keys', keys],
  prefixes: ['Prefixes', prefixes],
  sample: ['Hot and big', sample],
  slow: ['Slow log', slow],
  clients: ['Clients', clients],
  locks: ['Locks', locks],
  persistence: ['Persistence', persistence],
  settings: ['Configuration', settings],
  console: ['Console', terminal],
};

const main = document.getElementById('main');
const tabs = document.getElementById('tabs');
const state = document.getElementById('state');
const databases = document.getElementById('db');
let shownScreen = null;
let beating = null;

function show() {
  const name = location.hash.slice(1).split('/')[0];
  const known = SCREENS[name] ? name : 'overview';
  shownScreen?.stop?.();
  const [title, make] = SCREENS[known];
  for (const link of tabs.children) {
    const current = link.getAttribute('href') === `#${known}`;
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
    if (current) link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
  const root = h('div', { class: 'screen' }, h('h2', {}, title));
  main.replaceChildren(root);
  document.title = `${title} · Redstart`;
  shownScreen = make(root) ?? {};
  if (lastFacts) shownScreen.tick?.(lastFacts);
}

let lastFacts = null;
async function beat() {
  if (document.hidden) return;
  try {
    lastFacts = await server.facts('overview');
    state.textContent = lastFacts.loading ? 'Data is being loaded' : '';
    document.getElementById('server').textContent = `${lastFacts.version} · port ${
      lastFacts.port} · ${lastFacts.workers} worker${lastFacts.workers === 1 ? '' : 's'} · up ${
      span(lastFacts.uptime_s)} · ${number(lastFacts.now.keys)} keys`;
    fillDatabases(lastFacts);
    await shownScreen?.tick?.(lastFacts);
  } catch (error) {
    if (error instanceof server.LoginNeeded) return begin();
    state.textContent = error.message;
  }
  return undefined;
}

function fillDatabases(facts) {
  const known = new Map((facts.databases ?? []).map(({ db, keys }) => [db, keys]));
  if (databases.children.length !== facts.databases_max) {
    databases.replaceChildren(...Array.from({ length: facts.databases_max }, (_, db) =>
      h('option', { value: db }, String(db))));
    databases.value = server.place.db;
  }
  [...databases.children].forEach((option, db) => {
    const text = known.has(db) ? `${db} (${number(known.get(db))})` : String(db);
    if (option.textContent !== text) option.textContent = text;
  });
}

databases.addEventListener('change', () => {
  server.place.db = Number(databases.value);
  show();
});

/** What is of use only to those who are logged in. */
function showTools(shown) {
  for (const one of [tabs, databases, document.getElementById('logout'),
    document.querySelector('label[for=db]')]) one.hidden = !shown;
}

function askForLogin(reason) {
  showTools(false);
  clearInterval(beating);
  shownScreen?.stop?.();
  shownScreen = null;
  const user = h('input', { autocomplete: 'username', placeholder: 'default' });
  const password = h('input', { type: 'password', autocomplete: 'current-password' });
  const form = h('form', {
    class: 'login card',
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        await server.login(user.value, password.value);
        start();
      } catch (error) {
        notice(error.message, true);
        password.select();
      }
    },
  }, h('h2', {}, 'Log in'), h('p', { class: 'faint' }, reason),
  field('User', user), field('Password', password), button('Log in', null, { type: 'submit' }));
  main.replaceChildren(form);
  password.focus();
}

function start() {
  showTools(true);
  document.getElementById('logout').textContent = `Log out ${server.place.user}`;
  show();
  clearInterval(beating);
  beating = setInterval(beat, 1000);
  beat();
}

async function begin() {
  try {
    await server.resume();
    start();
  } catch (error) {
    if (error instanceof server.LoginNeeded) {
      askForLogin('This server wants a password (requirepass, or that of an ACL user).');
    } else {
      state.textContent = error.message;
      setTimeout(begin, 2000);
    }
  }
}

document.getElementById('logout').addEventListener('click', async () => {
  await server.logout().catch(() => {});
  askForLogin('You have logged out.');
});

const theme = document.getElementById('theme');
function paint(name) {
  document.documentElement.dataset.theme = name;
  theme.textContent = name === 'dark' ? 'Light' : 'Dark';
  theme.setAttribute('aria-label', `Use ${theme.textContent.toLowerCase()} colours`);
}
const preferred = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
paint(localStorage.getItem('theme') ?? preferred);
theme.addEventListener('click', () => {
  const other = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', other);
  paint(other);
  if (shownScreen) show();
});

tabs.append(...Object.entries(SCREENS).map(([name, [title]]) => h('a', { href: `#${name}` }, title)));
addEventListener('hashchange', () => { if (shownScreen) show(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden && shownScreen) beat(); });
begin();
