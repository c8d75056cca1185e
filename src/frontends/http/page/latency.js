// How long commands take: a map over time, and the events that made clients wait.

import { h, button, micros, moment, table, trying } from './dom.js';
import { heatMap } from './charts.js';
import { command, facts } from './server.js';

export default function latency(root) {
  let range = 'minutes';
  const map = heatMap('Commands by how long they took', (ns) => micros(ns / 1000));
  const events = h('div');
  const choose = h('div', { class: 'choice', role: 'group', 'aria-label': 'Range' },
    [['minutes', '5 minutes'], ['hour', '1 hour'], ['day', '1 day']].map(([name, text]) =>
      h('button', {
        type: 'button', 'aria-pressed': String(name === range),
        onclick: (event) => {
          range = name;
          for (const one of choose.children) one.setAttribute('aria-pressed', 'false');
          event.currentTarget.setAttribute('aria-pressed', 'true');
          draw();
        },
      }, text)));
  root.append(
    h('p', { class: 'faint' }, 'Each column is a span of time; the darker a field, the more ',
      'commands took so long. Short commands that arrive together share a reading of the clock.'),
    choose, map.element, h('h3', {}, 'Events that made clients wait'), events);

  async function draw() {
    const got = await facts('latency', `?range=${range}`).catch(() => null);
    if (got) map.draw(got.at_s, got.below_ns, got.counts);
  }

  async function listEvents() {
    const latest = await trying(() => command('LATENCY', 'LATEST'));
    const threshold = await command('CONFIG', 'GET', 'latency-monitor-threshold').catch(() => null);
    const ms = Number(threshold?.map?.[0]?.[1] ?? 0);
    const rows = (latest ?? []).map(([name, at, last, worst]) =>
      [name, moment(at), `${last} ms`, `${worst} ms`]);
    const watch = ms > 0 ? `Events from ${ms} ms on are noted.` : 'Nothing is noted: the threshold is 0.';
    events.replaceChildren(
      h('p', { class: 'faint' }, watch),
      table('Latency events', ['Event', 'When it last happened', ['It then took', 'number'],
        ['The longest', 'number']], rows, 'No event has been noted'),
      h('div', { class: 'row' },
        ms > 0 ? null : button('Note events from 100 ms on', async () => {
          await trying(() => command('CONFIG', 'SET', 'latency-monitor-threshold', '100'), 'Set');
          listEvents();
        }),
        button('Forget them', async () => {
          await trying(() => command('LATENCY', 'RESET'), 'Forgotten');
          listEvents();
        })));
  }

  draw();
  listEvents();
  let beats = 0;
  return {
    tick() {
      beats += 1;
      if (beats % (range === 'minutes' ? 2 : 10) === 0) draw();
      if (beats % 15 === 0) listEvents();
    },
  };
}
