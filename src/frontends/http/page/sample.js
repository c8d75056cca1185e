// Keys that are used much and keys that are large, found in a sample: a cursor is a place in the
// order of hashes, so a walk that begins anywhere finds keys at random.

import { h, bytes, button, cut, field, number, percent, table, trying, span } from './dom.js';
import { command, commands } from './server.js';

const PLACES = 2 ** 46;

export default function sample(root) {
  const size = h('select', {}, [200, 1000, 5000].map((count) => h('option', {}, String(count))));
  const said = h('p', { role: 'status', class: 'faint' });
  const place = h('div', { class: 'twins' });
  const types = h('div');
  root.append(
    h('p', { class: 'faint' }, 'A random sample of the keys of this database. To look at them is no ',
      'use of them. With an LFU policy the most popular keys come first, otherwise those that were ',
      'used last.'),
    h('div', { class: 'row' }, field('Keys', size), button('Take a sample', () => trying(take))),
    said, types, place);

  async function take() {
    const wanted = Number(size.value);
    const total = await command('DBSIZE');
    const names = new Map();
    for (let round = 0; round < 40 && names.size < Math.min(wanted, total); round++) {
      said.textContent = `${names.size} keys so far…`;
      // Few keys: one walk finds all of them.
      const starts = total <= 2 * wanted && round === 0 ? ['0'] : Array.from({ length: 25 }, () =>
        String(Math.floor(Math.random() * PLACES)));
      const each = total <= 2 * wanted && round === 0 ? wanted : Math.ceil(wanted / 50);
      const got = await commands(starts.map((start) => ['SCAN', start, 'COUNT', each]));
      for (const { reply } of got) {
        for (const name of reply?.[1] ?? []) names.set(JSON.stringify(name), name);
      }
    }
    const keys = [...names.values()].slice(0, wanted);
    const policy = (await command('CONFIG', 'GET', 'maxmemory-policy').catch(() => null))?.map?.[0]?.[1];
    const frequent = /lfu/.test(policy ?? '');
    const asked = keys.flatMap((name) => [['TYPE', name],
      ['MEMORY', 'USAGE', name, 'SAMPLES', '5'], ['OBJECT', frequent ? 'FREQ' : 'IDLETIME', name]]);
    const got = asked.length ? await commands(asked) : [];
    const all = keys.map((name, at) => ({
      name, type: got[3 * at].reply, bytes: got[3 * at + 1].reply ?? 0, use: got[3 * at + 2].reply,
    })).filter((one) => one.type && one.type !== 'none');
    draw(all, total, frequent);
  }

  function draw(all, total, frequent) {
    const sum = all.reduce((bytesSum, one) => bytesSum + one.bytes, 0);
    said.textContent = all.length ? `${number(all.length)} of ${number(total)} keys, ${
      bytes(sum)}: on average ${bytes(Math.round(sum / all.length))}` : 'There are no keys.';
    const large = [...all].sort((a, b) => b.bytes - a.bytes).slice(0, 25);
    const used = all.filter((one) => typeof one.use === 'number')
      .sort((a, b) => frequent ? b.use - a.use : a.use - b.use).slice(0, 25);
    const byType = new Map();
    for (const one of all) {
      const known = byType.get(one.type) ?? { count: 0, bytes: 0 };
      byType.set(one.type, { count: known.count + 1, bytes: known.bytes + one.bytes });
    }
    const prefixes = new Map();
    for (const one of all) {
      const prefix = typeof one.name === 'string' ? one.name.split(/[:./|-]/)[0] : '(bytes)';
      const known = prefixes.get(prefix) ?? { count: 0, bytes: 0 };
      prefixes.set(prefix, { count: known.count + 1, bytes: known.bytes + one.bytes });
    }
    const shares = (caption, first, map) => table(caption,
      [first, ['Keys', 'number'], ['Memory', 'number'], 'Share of memory'],
      [...map].sort((a, b) => b[1].bytes - a[1].bytes).slice(0, 15).map(([name, one]) => [
        cut(name, 60), percent(one.count / all.length), bytes(one.bytes),
        [h('meter', { min: 0, max: 1, value: one.bytes / (sum || 1), 'aria-label': `Share of ${cut(name, 60)}` }),
          ` ${percent(one.bytes / (sum || 1))}`]]));
    types.replaceChildren(h('div', { class: 'twins' },
      shares('By type', 'Type', byType), shares('By the first part of the name', 'Prefix', prefixes)));
    place.replaceChildren(
      table('Largest', ['Key', 'Type', ['Memory', 'number']],
        large.map((one) => [cut(one.name, 60), one.type, bytes(one.bytes)])),
      table(frequent ? 'Most popular' : 'Used last', ['Key', 'Type',
        [frequent ? 'Frequency' : 'Idle for', 'number']],
      used.map((one) => [cut(one.name, 60), one.type, frequent ? number(one.use) : span(one.use)])));
  }

  trying(take);
  return {};
}
