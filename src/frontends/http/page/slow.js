// The slow log: the last commands that took long.

import { h, button, cut, field, micros, moment, table, trying } from './dom.js';
import { command } from './server.js';

export default function slow(root) {
  const place = h('div');
  const limit = h('input', { inputmode: 'numeric', size: 9 });
  root.append(h('form', { class: 'row', onsubmit: async (event) => {
    event.preventDefault();
    await trying(() => command('CONFIG', 'SET', 'slowlog-log-slower-than', limit.value), 'Set');
    draw();
  } }, field('Slow is from so many microseconds on', limit), button('Set', null, { type: 'submit' }),
  button('Forget them', async () => {
    await trying(() => command('SLOWLOG', 'RESET'), 'Forgotten');
    draw();
  })), place);

  async function draw() {
    const log = await trying(() => command('SLOWLOG', 'GET', 128));
    const set = await command('CONFIG', 'GET', 'slowlog-log-slower-than').catch(() => null);
    if (document.activeElement !== limit) limit.value = set?.map?.[0]?.[1] ?? '';
    place.replaceChildren(table('Slow commands, the newest first',
      ['When', ['It took', 'number'], 'Command', 'Client'],
      (log ?? []).map(([, at, us, args, addr, name]) => [moment(at), micros(us),
        h('code', {}, args.map((arg) => cut(arg, 60)).join(' ')),
        cut(name) ? `${cut(name)} (${cut(addr)})` : cut(addr)]), 'No command was slow'));
  }
  draw();
  let beats = 0;
  return { tick() { beats += 1; if (beats % 5 === 0) draw(); } };
}
