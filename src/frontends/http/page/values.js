// One key: what it is, and its value by its type, page by page, with what can be done to it.

import { h, bytes, button, cut, field, isBytes, members, notice, number, pairs, shown, table, trying,
  ttl } from './dom.js';
import { command, commands } from './server.js';

const PAGE = 100;
/** Of a longer string only the beginning is shown. */
const STRING_MAX = 64 * 1024;

/** Shows a key in `place`; `changed(removed)` is called after it was changed. */
export async function showValue(place, name, changed) {
  const again = () => showValue(place, name, changed);
  const act = async (args, done) => {
    const worked = await trying(() => command(...args).then(() => true), done);
    if (worked) {
      changed(false);
      await again();
    }
  };
  let facts;
  try {
    facts = await commands([['TYPE', name], ['PTTL', name],
      ['MEMORY', 'USAGE', name, 'SAMPLES', '5'], ['OBJECT', 'ENCODING', name]]);
  } catch (error) {
    return notice(error.message, true);
  }
  const [type, ms, size, encoding] = facts.map((fact) => fact.reply);
  if (type === 'none') {
    place.replaceChildren(h('p', {}, 'The key is gone.'));
    return changed(true);
  }
  const left = h('input', { inputmode: 'numeric', size: 10,
    placeholder: ms >= 0 ? String(Math.ceil(ms / 1000)) : 'none' });
  const head = [
    h('h3', { class: 'keyname' }, shown(name)),
    h('p', { class: 'faint' }, `${type}, ${encoding && encoding !== type ? `${encoding}, ` : ''}${bytes(size)}, time to live: ${ttl(ms)}`),
    h('form', { class: 'row', onsubmit: (event) => {
      event.preventDefault();
      if (left.value === '') act(['PERSIST', name], 'It stays');
      else act(['EXPIRE', name, left.value], 'Set');
    } }, field('Seconds to live', left), button('Set', null, { type: 'submit' }),
    button('Keep for ever', () => act(['PERSIST', name], 'It stays'), { disabled: ms < 0 }),
    button('Look again', again),
    button('Delete', async () => {
      if (!confirm(`Delete ${cut(name, 200)}?`)) return;
      if (await trying(() => command('UNLINK', name), 'Deleted') !== undefined) changed(true);
    }, { class: 'danger' })),
  ];
  const body = h('div');
  place.replaceChildren(...head, body);
  const view = VIEWS[type];
  if (!view) body.append(h('p', {}, 'This type has no view here.'));
  else await trying(() => view({ body, name, act }));
  return undefined;
}

/** A line of fields and a button: each field is [label, size]. */
function adder(text, fields, make) {
  const inputs = fields.map(([, size]) => h('input', { size, autocomplete: 'off' }));
  return h('form', { class: 'row', onsubmit: (event) => {
    event.preventDefault();
    make(...inputs.map((input) => input.value));
  } }, fields.map(([label], at) => field(label, inputs[at])), button(text, null, { type: 'submit' }));
}

/** A cell with a text that can be changed, if it is text. */
function editable(value, label, save) {
  if (isBytes(value)) return shown(value);
  const text = h('span', { class: 'value' }, cut(value, 300));
  const edit = button('Edit', () => {
    const input = h('textarea', { rows: 2, 'aria-label': label }, String(value));
    cell.replaceChildren(input, button('Save', () => save(input.value)),
      button('Cancel', () => cell.replaceChildren(text, edit)));
    input.focus();
  }, { class: 'small', 'aria-label': `Edit ${label}` });
  const cell = h('span', { class: 'cell' }, text, edit);
  return cell;
}

function remover(label, remove) {
  return button('Delete', remove, { class: 'small danger', 'aria-label': `Delete ${label}` });
}

/** Shows pages of `read(from)`, which returns {rows, next}: null where there are no more. */
async function paged(body, caption, columns, read) {
  let rows = [];
  let next = null;
  const place = h('div');
  const more = button('More', () => trying(turn));
  body.append(place, more);
  async function turn() {
    const got = await read(next);
    rows = rows.concat(got.rows);
    next = got.next;
    place.replaceChildren(table(caption, columns, rows));
    more.hidden = next === null;
  }
  await turn();
}

const VIEWS = {
  async string({ body, name, act }) {
    const [length, value] = (await commands([['STRLEN', name],
      ['GETRANGE', name, 0, STRING_MAX - 1]])).map((one) => one.reply);
    const whole = length <= STRING_MAX;
    body.append(h('p', { class: 'faint' }, `${number(length)} bytes${whole ? '' : '; the beginning:'}`));
    if (!whole || isBytes(value)) {
      body.append(h('pre', { class: 'value', tabindex: '0' }, shown(value)));
      return;
    }
    const input = h('textarea', { rows: 8 }, value);
    body.append(field('Value', input), h('div', { class: 'row' },
      button('Save', () => act(['SET', name, input.value, 'KEEPTTL'], 'Saved'))));
    try {
      const neat = JSON.stringify(JSON.parse(value), null, 2);
      if (neat !== value && /^[[{]/.test(value)) {
        body.append(h('details', {}, h('summary', {}, 'As JSON'), h('pre', { class: 'value' }, neat)));
      }
    } catch { /* It is no JSON. */ }
  },

  async hash({ body, name, act }) {
    const length = await command('HLEN', name);
    body.append(h('p', { class: 'faint' }, `Fields: ${number(length)}`),
      adder('Set field', [['Field', 14], ['Value', 24]],
        (key, value) => act(['HSET', name, key, value], 'Set')));
    await paged(body, 'Fields', ['Field', 'Value', 'Action'], async (cursor) => {
      const [next, flat] = await command('HSCAN', name, cursor ?? '0', 'COUNT', PAGE);
      return { next: next === '0' ? null : next, rows: pairs(flat).map(([key, value]) => [
        cut(key), editable(value, cut(key, 30), (text) => act(['HSET', name, key, text], 'Saved')),
        remover(cut(key, 30), () => act(['HDEL', name, key], 'Deleted'))]) };
    });
  },

  async list({ body, name, act }) {
    const length = await command('LLEN', name);
    body.append(h('p', { class: 'faint' }, `Elements: ${number(length)}`),
      adder('Add at the tail', [['Element', 24]], (value) => act(['RPUSH', name, value], 'Added')),
      h('div', { class: 'row' },
        button('Take the first', () => act(['LPOP', name], 'Taken')),
        button('Take the last', () => act(['RPOP', name], 'Taken'))));
    await paged(body, 'Elements', [['Index', 'number'], 'Element'], async (from) => {
      const first = from ?? 0;
      const got = await command('LRANGE', name, first, first + PAGE - 1);
      return { next: got.length < PAGE ? null : first + PAGE, rows: got.map((value, at) => [
        String(first + at), editable(value, `element ${first + at}`,
          (text) => act(['LSET', name, first + at, text], 'Saved'))]) };
    });
  },

  async set({ body, name, act }) {
    const length = await command('SCARD', name);
    body.append(h('p', { class: 'faint' }, `Members: ${number(length)}`),
      adder('Add', [['Member', 24]], (value) => act(['SADD', name, value], 'Added')));
    await paged(body, 'Members', ['Member', 'Action'], async (cursor) => {
      const [next, got] = await command('SSCAN', name, cursor ?? '0', 'COUNT', PAGE);
      return { next: next === '0' ? null : next, rows: members(got).map((value) => [
        cut(value), remover(cut(value, 30), () => act(['SREM', name, value], 'Removed'))]) };
    });
  },

  async zset({ body, name, act }) {
    const length = await command('ZCARD', name);
    body.append(h('p', { class: 'faint' }, `Members: ${number(length)}, by score`),
      adder('Set score', [['Member', 24], ['Score', 8]],
        (member, score) => act(['ZADD', name, score, member], 'Set')));
    await paged(body, 'Members', ['Member', ['Score', 'number'], 'Action'], async (from) => {
      const first = from ?? 0;
      const got = pairs(await command('ZRANGE', name, first, first + PAGE - 1, 'WITHSCORES'));
      return { next: got.length < PAGE ? null : first + PAGE, rows: got.map(([member, score]) => [
        cut(member), editable(shown(score), `score of ${cut(member, 30)}`,
          (text) => act(['ZADD', name, text, member], 'Saved')),
        remover(cut(member, 30), () => act(['ZREM', name, member], 'Removed'))]) };
    });
  },

  async stream({ body, name, act }) {
    const [length, groups] = (await commands([['XLEN', name], ['XINFO', 'GROUPS', name]]))
      .map((one) => one.reply);
    const rows = (groups ?? []).map((group) => {
      const facts = new Map(pairs(group).map(([key, value]) => [shown(key), value]));
      return ['name', 'consumers', 'pending', 'lag', 'last-delivered-id']
        .map((key) => cut(facts.get(key)));
    });
    body.append(h('p', { class: 'faint' }, `Entries: ${number(length)}, the newest first`),
      adder('Add entry', [['Field', 12], ['Value', 20]],
        (key, value) => act(['XADD', name, '*', key, value], 'Added')));
    if (rows.length) {
      body.append(table('Groups', ['Group', ['Consumers', 'number'], ['Pending', 'number'],
        ['Lag', 'number'], 'Last id'], rows));
    }
    await paged(body, 'Entries', ['Id', 'Fields', 'Action'], async (before) => {
      const got = await command('XREVRANGE', name, before ? `(${before}` : '+', '-', 'COUNT', PAGE);
      return { next: got.length < PAGE ? null : got.at(-1)[0], rows: got.map(([id, fields]) => [
        id, h('span', { class: 'value' },
          pairs(fields).map(([key, value]) => `${cut(key)}: ${cut(value)}`).join('  ')),
        remover(`entry ${id}`, () => act(['XDEL', name, id], 'Deleted'))]) };
    });
  },
};
