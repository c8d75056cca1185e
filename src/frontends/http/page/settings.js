// Every parameter: what it means, what it is, and what was changed.

import { h, button, field, number, table, trying } from './dom.js';
import { command, facts } from './server.js';

export default function settings(root) {
  const filter = h('input', { type: 'search', size: 24, placeholder: 'name or meaning' });
  const which = h('select', {}, [['honoured', 'that have an effect'], ['set', 'that were set'],
    ['changed', 'that differ from their default'], ['all', 'all']]
    .map(([value, text]) => h('option', { value }, text)));
  const place = h('div');
  const said = h('p', { class: 'faint', role: 'status' });
  root.append(h('div', { class: 'row' }, field('Only those with', filter), field('Parameters', which),
    button('Write changes to the file', () =>
      trying(() => command('CONFIG', 'REWRITE'), 'redis.conf is rewritten'))), said, place);
  let all = [];
  filter.addEventListener('input', draw);
  which.addEventListener('change', draw);
  const differs = (one) => !one.secret && one.value !== one.default;

  async function read() {
    all = await trying(() => facts('parameters')) ?? [];
    draw();
  }

  function draw() {
    const word = filter.value.toLowerCase();
    const kinds = { honoured: (one) => one.effect === 'honoured', set: (one) => one.set,
      changed: differs, all: () => true };
    const some = all.filter(kinds[which.value]).filter((one) =>
      one.name.includes(word) || one.meaning.toLowerCase().includes(word));
    said.textContent = `${number(some.length)} of ${number(all.length)} parameters`;
    place.replaceChildren(table('Parameters', ['Parameter', 'Value', 'Default', 'What it means'],
      some.map((one) => [
        h('span', { class: differs(one) ? 'changed' : null },
          one.name, differs(one) ? h('span', { class: 'mark' }, ' changed') : null),
        one.immutable || one.effect !== 'honoured'
          ? h('span', {}, one.value || '–', one.effect === 'honoured' ? h('small', {}, ' fixed at the start') : null)
          : editor(one),
        one.default || '–', one.meaning.replaceAll('`', '')])));
  }

  function editor(one) {
    const label = `Value of ${one.name}`;
    const input = one.choices.length && one.choices.includes(one.value)
      ? h('select', { 'aria-label': label }, one.choices.filter((name) => !name.startsWith('~'))
        .map((name) => h('option', {}, name)))
      : h('input', { 'aria-label': label, size: 9, type: one.secret ? 'password' : 'text',
        autocomplete: one.secret ? 'new-password' : 'off', placeholder: one.secret ? 'not shown' : '' });
    input.value = one.value;
    return h('form', { class: 'cell', onsubmit: async (event) => {
      event.preventDefault();
      const set = await trying(() => command('CONFIG', 'SET', one.name, input.value), `${one.name} is set`);
      if (set !== undefined) read();
    } }, input, button('Set', null, { type: 'submit', class: 'small', 'aria-label': `Set ${one.name}` }));
  }
  read();
  return {};
}
