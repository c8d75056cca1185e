// The key browser: a walk over the keys that begin with a text, and one key with its value.

import { h, bytes, button, cut, field, number, notice, percent, table, ttl } from './dom.js';
import { command, commands } from './server.js';
import { showValue } from './values.js';

const PAGE = 100;
/** A cursor is a place in the order of hashes: how far the walk is. */
const END = 2 ** 46;

export function escapeGlob(text) {
  return text.replace(/[\\*?[\]]/g, (character) => `\\${character}`);
}

/** Type, time to live and size of each key. */
export async function describe(names) {
  const asked = names.flatMap((name) =>
    [['TYPE', name], ['PTTL', name], ['MEMORY', 'USAGE', name, 'SAMPLES', '5']]);
  const got = asked.length ? await commands(asked) : [];
  return names.map((name, at) => ({
    name,
    type: got[3 * at].reply ?? '?',
    ms: got[3 * at + 1].reply ?? -2,
    size: got[3 * at + 2].reply ?? null,
  }));
}

export default function keys(root) {
  const prefix = h('input', { type: 'search', autocomplete: 'off', spellcheck: 'false',
    placeholder: 'all keys' });
  const type = h('select', {}, ['any', 'string', 'hash', 'list', 'set', 'zset', 'stream']
    .map((name) => h('option', { value: name === 'any' ? '' : name }, name)));
  const list = h('div');
  const progress = h('progress', { max: 1, value: 0, 'aria-label': 'How far the walk is', hidden: true });
  const said = h('p', { role: 'status', class: 'faint' });
  const more = button('More keys', () => walk(), { hidden: true });
  const stop = button('Stop', () => { walking = 0; }, { hidden: true });
  const detail = h('section', { class: 'card detail', 'aria-live': 'polite', hidden: true });
  let found = [];
  let cursor = '0';
  let walking = 0;

  const form = h('form', { class: 'row', onsubmit: (event) => { event.preventDefault(); begin(); } },
    field('Keys that begin with', prefix), field('Type', type),
    button('Look', null, { type: 'submit' }), stop,
    button('New key', () => showNew()));
  root.append(form, progress, said, h('div', { class: 'split' }, h('div', {}, list, more), detail));

  async function begin() {
    found = [];
    cursor = '0';
    said.textContent = 'Looking…';
    draw();
    // A key of exactly that name comes first.
    const first = prefix.value ? await describe([prefix.value]).catch(() => []) : [];
    const fits = (one) => one.type !== 'none' && (!type.value || one.type === type.value);
    found = first.filter(fits);
    walk();
  }

  /** Goes on until a page of keys is found, the walk is at its end, or it is stopped. */
  async function walk() {
    const own = walking = Math.random();
    const wanted = found.length + PAGE;
    stop.hidden = false;
    more.hidden = true;
    let count = 100;
    let failed = null;
    const matching = prefix.value ? ['MATCH', `${escapeGlob(prefix.value)}*`] : [];
    const typed = type.value ? ['TYPE', type.value] : [];
    try {
      do {
        const [next, names] = await command('SCAN', cursor, ...matching, 'COUNT', count, ...typed);
        if (walking !== own) break;
        const known = (name) => found[0] && name === found[0].name;
        found.push(...await describe(names.filter((name) => !known(name))));
        cursor = next;
        progress.hidden = false;
        progress.value = cursor === '0' ? 1 : Number(cursor) / END;
        // Few matches: larger steps.
        count = Math.min(20000, count * 2);
        draw();
      } while (cursor !== '0' && found.length < wanted);
    } catch (error) {
      failed = error;
    }
    if (walking !== own && walking !== 0) return;
    stop.hidden = true;
    progress.hidden = cursor === '0';
    more.hidden = cursor === '0' || failed !== null;
    said.textContent = failed ? failed.message : cursor === '0'
      ? `${number(found.length)} keys: all there are.`
      : `${number(found.length)} keys so far; ${percent(Number(cursor) / END)} of all keys looked at.`;
  }

  function draw() {
    list.replaceChildren(table('Keys found', ['Key', 'Type', ['Time to live', 'number'],
      ['Size', 'number']], found.map((one) => [
      button(cut(one.name, 80) || '(empty)', () => open(one.name), { class: 'link', title: cut(one.name, 1000) }),
      h('span', { class: `type ${one.type}` }, one.type), ttl(one.ms), bytes(one.size)]),
    'No key is found yet'));
  }

  async function open(name) {
    detail.hidden = false;
    await showValue(detail, name, (removed) => {
      if (removed) {
        found = found.filter((one) => JSON.stringify(one.name) !== JSON.stringify(name));
        detail.hidden = true;
        draw();
      }
    });
    detail.scrollIntoView({ block: 'nearest' });
  }

  function showNew() {
    const name = h('input', { required: true, autocomplete: 'off' });
    const kind = h('select', {}, ['string', 'hash', 'list', 'set', 'zset', 'stream']
      .map((one) => h('option', {}, one)));
    const value = h('textarea', { rows: 3 });
    const first = {
      string: (text) => ['SET', name.value, text, 'NX'],
      hash: (text) => ['HSET', name.value, 'field', text],
      list: (text) => ['RPUSH', name.value, text],
      set: (text) => ['SADD', name.value, text],
      zset: (text) => ['ZADD', name.value, '0', text],
      stream: (text) => ['XADD', name.value, '*', 'field', text],
    };
    detail.hidden = false;
    detail.replaceChildren(h('h3', {}, 'A new key'), h('form', {
      onsubmit: async (event) => {
        event.preventDefault();
        try {
          if (await command('EXISTS', name.value)) throw new Error('There is such a key already');
          await command(...first[kind.value](value.value));
          found.unshift(...await describe([name.value]));
          draw();
          open(name.value);
        } catch (error) {
          notice(error.message, true);
        }
      },
    }, field('Name', name), field('Type', kind), field('First value', value),
    button('Make', null, { type: 'submit' })));
    name.focus();
  }

  begin();
  return { stop() { walking = 0; } };
}
