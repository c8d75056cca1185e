// What the page asks of the server. What changes something goes with the session's token.

let token = null;
export const place = { db: 0, user: null };

/** Thrown where somebody has to log in first. */
export class LoginNeeded extends Error {}

async function ask(method, path, body) {
  const headers = {};
  if (token) headers['X-Redstart-Token'] = token;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error('The server does not answer');
  }
  const value = await answer.json().catch(() => ({}));
  if (answer.status === 401) throw new LoginNeeded(value.error ?? 'Log in first');
  if (!answer.ok) throw new Error(value.error ?? `The server answers ${answer.status}`);
  return value;
}

function remember(session) {
  token = session.token;
  place.user = session.user;
}

/** Goes on with the session of the cookie, or begins one where no password is wanted. */
export async function resume() {
  try {
    remember(await ask('GET', '/api/session'));
  } catch (error) {
    if (!(error instanceof LoginNeeded)) throw error;
    await login('', '');
  }
}

export async function login(user, password) {
  remember(await ask('POST', '/api/session', { user, password }));
}

export async function logout() {
  await ask('DELETE', '/api/session');
  token = null;
}

export const facts = (name, query = '') => ask('GET', `/api/${name}${query}`);

/** Runs a command; throws what the server replies as an error. */
export async function command(...args) {
  const answer = await ask('POST', `/api/command?db=${place.db}`, args);
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer.reply;
}

/** Runs commands one after the other; each has {reply} or {error}. */
export async function commands(list) {
  const all = [];
  for (let at = 0; at < list.length; at += 500) {
    all.push(...await ask('POST', `/api/commands?db=${place.db}`, list.slice(at, at + 500)));
  }
  return all;
}
