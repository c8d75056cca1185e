// Commands by what they have cost.

import { h, micros, number, percent, table } from './dom.js';
import { facts } from './server.js';

export default function costs(root) {
  const place = h('div');
  root.append(h('p', { class: 'faint' },
    'Since the start, or since CONFIG RESETSTAT. The share is of all time spent in commands.'), place);
  let before = null;
  async function draw() {
    const all = await facts('commands').catch(() => null);
    if (!all) return;
    const at = Date.now();
    const total = all.reduce((sum, one) => sum + one.us, 0) || 1;
    all.sort((a, b) => b.us - a.us);
    const rows = all.map((one) => {
      const old = before?.calls.get(one.name);
      const rate = old === undefined ? null : (one.calls - old) / ((at - before.at) / 1000);
      const bar = h('meter', {
        min: 0, max: 1, value: one.us / total, 'aria-label': `Share of ${one.name}`,
      });
      return [one.name.replace('|', ' ').toUpperCase(), number(one.calls),
        rate === null ? '–' : number(Math.round(rate)), [bar, ` ${percent(one.us / total)}`],
        micros(one.us / Math.max(1, one.calls)), micros(one.p50_us), micros(one.p99_us),
        micros(one.p999_us), number(one.failed), number(one.rejected)];
    });
    before = { at, calls: new Map(all.map((one) => [one.name, one.calls])) };
    place.replaceChildren(table('Commands by cost', ['Command', ['Calls', 'number'],
      ['A second', 'number'], 'Share of time', ['Mean', 'number'], ['Median', 'number'],
      ['99 %', 'number'], ['99.9 %', 'number'], ['Failed', 'number'], ['Refused', 'number']],
    rows, 'No command has run'));
  }
  draw();
  let beats = 0;
  return { tick() { beats += 1; if (beats % 3 === 0) draw(); } };
}
