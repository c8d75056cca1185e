// What keys that begin alike bring and take: hits, misses and why, memory, times.

import { h, svg, bytes, button, cut, field, micros, number, pairs, percent, shown, table, trying } from './dom.js';
import { command } from './server.js';

const POINTS = 60;
/** Why a lookup found nothing: what was known of the key. */
const CAUSES = {
  absent: 'never there, as far as is known', expired: 'expired', evicted: 'evicted',
  deleted: 'deleted', dropped: 'dropped with a tag',
};

export default function prefixes(root) {
  const place = h('div');
  const rule = h('input', { size: 24, placeholder: ': or user: cart:', spellcheck: 'false' });
  root.append(
    h('p', { class: 'faint' }, 'A prefix is what keys begin with, up to a separator, or one of the ',
      'beginnings that are given. Keys and memory are as the last walk over all keys has found them.'),
    h('form', { class: 'row', onsubmit: async (event) => {
      event.preventDefault();
      await trying(() => command('CONFIG', 'SET', 'stats-prefixes', rule.value), 'Set');
      past.clear();
      draw();
    } }, field('Separator (and depth), or beginnings; empty is off', rule),
    button('Count by these', null, { type: 'submit' })), place);
  /** By prefix: what was counted last, and lookups a second since this screen is open. */
  const past = new Map();

  function noted(name, hits, misses) {
    const at = performance.now() / 1000;
    const known = past.get(name) ?? { at, lookups: hits + misses, rates: [] };
    if (at - known.at > 0.5) {
      known.rates.push(Math.max(0, hits + misses - known.lookups) / (at - known.at));
      if (known.rates.length > POINTS) known.rates.shift();
      Object.assign(known, { at, lookups: hits + misses });
    }
    past.set(name, known);
    return known.rates;
  }

  function plot(name, rates) {
    const most = Math.max(...rates, 1e-9);
    const at = (rate, nth) => `${nth ? 'L' : 'M'}${(POINTS - rates.length + nth) * 2} ${
      (22 - rate / most * 20).toFixed(1)}`;
    return h('span', { class: 'small-plot' }, svg('svg', { viewBox: `0 0 ${POINTS * 2} 24`, role: 'img',
      preserveAspectRatio: 'none', 'aria-label': `Lookups of ${name}: ${number(Math.round(rates.at(-1) ?? 0))} a second` },
    svg('path', { class: 'line one', d: rates.map(at).join('') })),
    ` ${rates.length ? number(Math.round(rates.at(-1))) : '…'}`);
  }

  async function draw() {
    let all;
    try {
      all = (await command('PREFIX.STATS')).map((one) => new Map(pairs(one)));
    } catch (error) {
      const off = /stats-prefixes/.test(error.message);
      if (off && rule.value === '' && document.activeElement !== rule) rule.value = ':';
      place.replaceChildren(h('p', { role: 'status' }, off ? ['Nothing is counted by prefix yet. With ',
        h('code', {}, ':'), ' above, ', h('code', {}, 'user:1'), ' and ', h('code', {}, 'user:2'),
        ' count as ', h('code', {}, 'user:'), '; ', h('code', {}, ': 2'),
        ' looks at two parts of a name; ', h('code', {}, 'user: cart:'), ' counts these two alone.'] : error.message));
      return;
    }
    const rows = all.sort((a, b) => b.get('bytes') - a.get('bytes') || b.get('hits') - a.get('hits')).map((one) => {
      const name = shown(one.get('prefix')) || '(other)';
      const causes = pairs(one.get('misses')).filter(([, count]) => count > 0);
      const [hits, misses] = [one.get('hits'), causes.reduce((sum, [, count]) => sum + count, 0)];
      const share = hits / (hits + misses);
      return [h('code', {}, cut(name, 60)), number(one.get('keys')), bytes(one.get('bytes')),
        hits + misses ? [h('meter', { min: 0, max: 1, value: share, 'aria-label': `Hit ratio of ${cut(name, 60)}` }),
          ` ${percent(share)}`] : 'no lookups',
        plot(cut(name, 60), noted(name, hits, misses)), number(hits), number(misses),
        causes.map(([cause, count]) => `${CAUSES[cause] ?? cause}: ${number(count)}`).join(', ') || '–',
        bytes(one.get('bytes-in')), bytes(one.get('bytes-out')),
        micros(one.get('p50-usec')), micros(one.get('p99-usec'))];
    });
    place.replaceChildren(table('Prefixes, by memory', ['Prefix', ['Keys', 'number'], ['Memory', 'number'],
      'Hit ratio', 'Lookups a second', ['Hits', 'number'], ['Misses', 'number'], 'Why they missed',
      ['Written', 'number'], ['Read', 'number'], ['Median', 'number'], ['99 %', 'number']],
    rows, 'No key was looked up or found by a walk yet'));
  }

  command('CONFIG', 'GET', 'stats-prefixes').then((set) => { rule.value ||= set?.map?.[0]?.[1] ?? ''; }, () => {});
  draw();
  let beats = 0;
  return { tick() { beats += 1; if (beats % 2 === 0) draw(); } };
}
