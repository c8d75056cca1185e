// How the server does: now, over the last minutes, the last hour and the last day.

import { h, bytes, number, percent } from './dom.js';
import { chart } from './charts.js';
import { facts } from './server.js';

const RANGES = { minutes: '5 minutes', hour: '1 hour', day: '1 day' };

export default function overview(root) {
  let range = localStorage.getItem('range') ?? 'minutes';
  if (!RANGES[range]) range = 'minutes';
  const tiles = h('dl', { class: 'tiles' });
  const charts = {
    commands: chart('Operations a second', [{ name: 'operations', className: 'one' }], number),
    hits: chart('Hit ratio', [{ name: 'hits', className: 'two' }], percent),
    memory: chart('Memory', [
      { name: 'resident', className: 'two' }, { name: 'used', className: 'one' }], bytes),
    clients: chart('Clients', [
      { name: 'connected', className: 'one' }, { name: 'waiting', className: 'two' }], number),
    network: chart('Network, bytes a second', [
      { name: 'in', className: 'one' }, { name: 'out', className: 'two' }], bytes),
    keys: chart('Keys', [
      { name: 'all', className: 'one' }, { name: 'with a deadline', className: 'two' }], number),
    gone: chart('Keys gone a second', [
      { name: 'expired', className: 'one' }, { name: 'evicted', className: 'two' }], number),
    cpu: chart('Processor', [{ name: 'cores', className: 'one' }], percent),
    errors: chart('Error replies a second', [{ name: 'errors', className: 'two' }], number),
  };
  const choice = h('div', { class: 'choice', role: 'group', 'aria-label': 'Range' },
    Object.entries(RANGES).map(([name, text]) => h('button', {
      type: 'button', 'data-range': name, 'aria-pressed': String(name === range),
      onclick: () => choose(name),
    }, text)));
  root.append(tiles, choice,
    h('div', { class: 'charts' }, Object.values(charts).map(({ element }) => element)));

  let past = null;
  let dueAt = 0;
  function choose(name) {
    range = name;
    localStorage.setItem('range', name);
    for (const one of choice.children) {
      one.setAttribute('aria-pressed', String(one.dataset.range === name));
    }
    past = null;
    refresh();
  }

  async function refresh() {
    const asked = range;
    const got = await facts('history', `?range=${asked}`).catch(() => null);
    if (!got || asked !== range) return;
    past = got;
    dueAt = Date.now() + got.step_s * 1000;
    draw();
  }

  function draw() {
    if (!past || past.at_s.length === 0) return;
    const { at_s: times, columns: c, step_s: step } = past;
    // The last span is not over yet: it is left out where it would look like a fall.
    const whole = step === 1 ? times.length : times.length - 1;
    if (whole < 1) return;
    const cutTo = (column) => column.slice(0, whole);
    const rate = (column) => cutTo(column).map((count) => count / step);
    const t = cutTo(times);
    const latest = (column) => column[column.length - 1];
    const put = (name, columns, text) => charts[name].draw(t, columns, text);
    const operations = rate(c.commands);
    put('commands', [operations], number(latest(operations)));
    // Without reads the ratio stays what it was.
    let known = 0;
    const ratio = cutTo(c.hits).map((hits, at) => {
      const all = hits + c.misses[at];
      if (all) known = hits / all;
      return known;
    });
    const asked = latest(cutTo(c.hits)) + latest(cutTo(c.misses));
    put('hits', [ratio], asked ? percent(latest(ratio)) : 'no reads');
    put('memory', [cutTo(c.resident_bytes), cutTo(c.used_bytes)], bytes(latest(c.used_bytes)));
    put('clients', [cutTo(c.clients), cutTo(c.blocked)], number(latest(c.clients)));
    const [input, output] = [rate(c.input_bytes), rate(c.output_bytes)];
    put('network', [input, output], `${bytes(Math.round(latest(input)))} in, ${
      bytes(Math.round(latest(output)))} out`);
    put('keys', [cutTo(c.keys), cutTo(c.volatile)], number(latest(c.keys)));
    const [expired, evicted] = [rate(c.expired), rate(c.evicted)];
    put('gone', [expired, evicted], number(latest(expired) + latest(evicted)));
    const cpu = cutTo(c.cpu_ms).map((ms) => ms / 1000 / step);
    put('cpu', [cpu], `${percent(latest(cpu))} of a core`);
    const errors = rate(c.errors);
    put('errors', [errors], number(latest(errors)));
  }

  function tile(name, value, more) {
    return h('div', {}, h('dt', {}, name), h('dd', {}, value, more ? h('small', {}, more) : null));
  }

  choose(range);
  return {
    tick(now) {
      const { second, now: states, memory } = now;
      const reads = second.hits + second.misses;
      tiles.replaceChildren(
        tile('Operations a second', number(second.commands)),
        tile('Hit ratio', reads ? percent(second.hits / reads) : '–', reads ? null : 'no reads now'),
        tile('Memory used', bytes(states.used_bytes), now.maxmemory
          ? `of ${bytes(now.maxmemory)}, ${now.policy}`
          : `no limit${memory ? `, peak ${bytes(memory.peak)}` : ''}`),
        tile('Resident', bytes(states.resident_bytes), 'memory the process holds'),
        tile('Keys', number(states.keys), `${number(states.volatile)} with a deadline`),
        tile('Clients', number(states.clients), `${number(states.blocked)} waiting`),
        tile('Expiry delay', `${states.expiry_lag_ms} ms`, 'behind the deadline'));
      if (range === 'minutes' && past && now.at_s > past.at_s.at(-1)) {
        past.at_s.push(now.at_s);
        for (const [name, column] of Object.entries(past.columns)) {
          column.push(second[name] ?? states[name] ?? 0);
          if (column.length > 300) column.shift();
        }
        if (past.at_s.length > 300) past.at_s.shift();
        draw();
      } else if (Date.now() >= dueAt && range !== 'minutes' || !past) {
        dueAt = Date.now() + 1000;
        refresh();
      }
    },
  };
}
