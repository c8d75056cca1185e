// Who is connected.

import { h, bytes, button, counted, field, number, notice, span, table, trying } from './dom.js';
import { command } from './server.js';

const COLUMNS = [['id', 'Id'], ['addr', 'Address'], ['name', 'Name'], ['user', 'User'], ['db', 'Database'],
  ['cmd', 'Last command'], ['age', 'Connected for'], ['idle', 'Idle for'], ['tot-mem', 'Memory'],
  ['flags', 'State']];
const FLAGS = { N: '', b: 'waits in a command', x: 'in MULTI', P: 'listens', O: 'MONITOR',
  t: 'tracks keys', e: 'is not evicted', T: 'touches no key' };

export default function clients(root) {
  const filter = h('input', { type: 'search', size: 30, placeholder: 'address, name, user or command' });
  const order = h('select', {}, COLUMNS.map(([name, text]) => h('option', { value: name }, text)));
  const place = h('div');
  const said = h('p', { class: 'faint', role: 'status' });
  root.append(h('div', { class: 'row' }, field('Only those with', filter), field('Sorted by', order)),
    said, place);
  let all = [];
  let own = null;
  filter.addEventListener('input', draw);
  order.addEventListener('change', draw);

  async function read() {
    own ??= await command('CLIENT', 'ID').catch(() => null);
    const text = await command('CLIENT', 'LIST').catch((error) => {
      said.textContent = error.message;
      return '';
    });
    all = String(text).split('\n').filter(Boolean).map((line) =>
      Object.fromEntries(line.split(' ').map((part) => {
        const at = part.indexOf('=');
        return [part.slice(0, at), part.slice(at + 1)];
      })));
    draw();
  }

  function draw() {
    const word = filter.value.toLowerCase();
    const fits = (one) => ['addr', 'name', 'user', 'cmd', 'id'].some((name) =>
      (one[name] ?? '').toLowerCase().includes(word));
    const by = order.value;
    const numeric = ['id', 'db', 'age', 'idle', 'tot-mem'].includes(by);
    const some = all.filter(fits).sort((a, b) => numeric
      ? (by === 'id' ? a[by] - b[by] : b[by] - a[by]) : (a[by] < b[by] ? -1 : 1));
    if (all.length) said.textContent = `${number(some.length)} of ${counted(all.length, 'client')}${
      some.length > 500 ? '; the first 500 are shown' : ''}`;
    const rows = some.slice(0, 500).map((one) => [
      one.id, one.addr, one.name || '–', one.user, one.db, one.cmd.replace('|', ' '), span(Number(one.age)),
      span(Number(one.idle)), bytes(Number(one['tot-mem'])),
      [...one.flags].map((letter) => FLAGS[letter] ?? letter).filter(Boolean).join(', ') || '–',
      Number(one.id) === own ? 'this page' : button('Kill', async () => {
        if (!confirm(`End the connection of client ${one.id} (${one.addr})?`)) return;
        await trying(() => command('CLIENT', 'KILL', 'ID', one.id), `Client ${one.id} is gone`);
        read();
      }, { class: 'small danger', 'aria-label': `Kill client ${one.id}` }),
    ]);
    const numbers = ['db', 'tot-mem', 'age', 'idle'];
    place.replaceChildren(table('Clients', [...COLUMNS.map(([name, text]) =>
      numbers.includes(name) ? [text, 'number'] : text), 'Action'], rows, 'No client fits'));
  }
  read().catch((error) => notice(error.message, true));
  let beats = 0;
  return { tick() {
    beats += 1;
    // A button that is about to be pressed stays where it is.
    if (beats % 3 === 0 && !place.contains(document.activeElement)) read();
  } };
}
