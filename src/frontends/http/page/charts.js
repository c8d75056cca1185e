// Drawings: a line over time with what it was at a moment, and a map of how often how long.

import { h, svg, clock } from './dom.js';

const WIDTH = 300;
const HEIGHT = 90;

/**
 * A figure with lines over time. `lines` are {name, className}; `format` makes a figure readable.
 * Returns {element, draw(times, columns, now)}.
 */
export function chart(title, lines, format) {
  const now = h('output', { class: 'now' });
  const most = h('span', { class: 'faint most' });
  const hint = h('span', { class: 'faint hint' });
  const areas = lines.map((line) => svg('path', { class: `area ${line.className}` }));
  const strokes = lines.map((line) => svg('path', { class: `line ${line.className}` }));
  const mark = svg('line', { class: 'mark', y1: 0, y2: HEIGHT, x1: -1, x2: -1 });
  const plot = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img',
    'aria-label': title,
  }, areas, strokes, mark);
  const legend = lines.length > 1
    ? h('span', { class: 'legend' }, lines.map((line) =>
      h('span', { class: line.className }, line.name))) : null;
  const element = h('figure', {},
    h('figcaption', {}, h('span', {}, title), now), plot,
    h('div', { class: 'under' }, hint, legend, most));
  let last = { times: [], columns: [] };

  const look = (event) => {
    const box = plot.getBoundingClientRect();
    const { times, columns } = last;
    if (times.length === 0) return;
    const at = Math.min(times.length - 1,
      Math.max(0, Math.round((event.clientX - box.left) / box.width * (times.length - 1))));
    const x = times.length > 1 ? at / (times.length - 1) * WIDTH : 0;
    mark.setAttribute('x1', x);
    mark.setAttribute('x2', x);
    hint.textContent = `${clock(times[at])}: ${columns.map((c) => format(c[at])).join(', ')}`;
  };
  const leave = () => {
    mark.setAttribute('x1', -1);
    mark.setAttribute('x2', -1);
    period();
  };
  const period = () => {
    const { times } = last;
    hint.textContent = times.length ? `since ${clock(times[0])}` : 'nothing yet';
  };
  plot.addEventListener('pointermove', look);
  plot.addEventListener('pointerleave', leave);

  const draw = (times, columns, text) => {
    last = { times, columns };
    const highest = Math.max(1e-9, ...columns.map((column) => Math.max(...column, 0)));
    const top = columns.every((column) => column.every((value) => value === 0)) ? 1 : highest;
    columns.forEach((column, line) => {
      const x = (at) => column.length > 1 ? (at / (column.length - 1) * WIDTH).toFixed(1) : 0;
      const y = (value) => (HEIGHT - 2 - value / top * (HEIGHT - 6)).toFixed(1);
      const path = column.map((value, at) => `${at ? 'L' : 'M'}${x(at)} ${y(value)}`).join('');
      strokes[line].setAttribute('d', path);
      areas[line].setAttribute('d', path && `${path}V${HEIGHT}H0Z`);
    });
    now.textContent = text;
    most.textContent = `most ${format(highest < 1e-6 ? 0 : highest)}`;
    plot.setAttribute('aria-label', `${title}: ${text} now, at most ${format(highest)}`);
    if (mark.getAttribute('x1') === '-1') period();
  };
  return { element, draw };
}

/**
 * A map: time from left to right, durations from bottom to top, and how many commands took so long
 * as a colour. Returns {element, draw(times, belowNs, counts)}.
 */
export function heatMap(title, formatNs) {
  const canvas = h('canvas', { width: 900, height: 320, role: 'img', 'aria-label': title });
  const hint = h('output', { class: 'faint' });
  let last = null;
  const draw = (times, belowNs, counts) => {
    const used = belowNs.map((_, row) => counts.some((column) => column[row] > 0));
    const low = Math.max(0, used.indexOf(true) - 1);
    const high = Math.max(low + 6, used.lastIndexOf(true) + 1);
    const rows = Math.min(belowNs.length - 1, high) - low + 1;
    const most = Math.max(1, ...counts.map((column) => Math.max(...column)));
    const style = getComputedStyle(document.documentElement);
    const context = canvas.getContext('2d');
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(300, canvas.clientWidth);
    const height = 320;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    context.scale(ratio, ratio);
    const left = 90;
    const wide = (width - left) / Math.max(1, counts.length);
    const tall = height / rows;
    context.clearRect(0, 0, width, height);
    const hue = style.getPropertyValue('--heat').trim();
    counts.forEach((column, at) => {
      for (let row = 0; row < rows; row++) {
        const count = column[low + row];
        if (!count) continue;
        context.globalAlpha = 0.15 + 0.85 * Math.log1p(count) / Math.log1p(most);
        context.fillStyle = hue;
        context.fillRect(left + at * wide, height - (row + 1) * tall, Math.ceil(wide), tall - 1);
      }
    });
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue('--text').trim();
    context.font = '13px system-ui, sans-serif';
    context.textBaseline = 'middle';
    for (let row = 0; row < rows; row++) {
      context.fillText(`< ${formatNs(belowNs[low + row])}`, 4, height - (row + 0.5) * tall);
    }
    last = { times, belowNs, counts, low, rows, left, wide, tall };
    const sum = counts.flat().reduce((all, count) => all + count, 0);
    canvas.setAttribute('aria-label', `${title}: ${sum} commands, the slowest below ${
      formatNs(belowNs[Math.max(0, used.lastIndexOf(true))])}`);
  };
  canvas.addEventListener('pointermove', (event) => {
    if (!last) return;
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left - last.left;
    const y = event.clientY - box.top;
    const at = Math.floor(x / last.wide);
    const row = last.low + last.rows - 1 - Math.floor(y / last.tall);
    if (!last.counts[at] || last.belowNs[row] === undefined) return;
    hint.textContent = `${clock(last.times[at])}: ${last.counts[at][row]} commands took ${
      formatNs(last.belowNs[row] / 2)} to ${formatNs(last.belowNs[row])}`;
  });
  const ends = h('div', { class: 'under faint' }, h('span', { class: 'from' }), h('span', { class: 'to' }));
  return { element: h('figure', {}, h('figcaption', {}, title), canvas, ends, hint),
    draw(times, belowNs, counts) {
      draw(times, belowNs, counts);
      ends.firstChild.textContent = times.length ? `since ${clock(times[0])}` : 'nothing yet';
      ends.lastChild.textContent = times.length ? `to ${clock(times.at(-1))}` : '';
    } };
}
