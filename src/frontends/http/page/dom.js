// Elements, figures for people, and texts that may hold any byte. Nothing here takes HTML: keys and
// values are always text.

/** Makes an element. Properties that begin with `on` are listeners; null and false are left out. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** As `h`, for drawings. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A table with a caption for screen readers. Columns are texts, or [text, 'number']. */
export function table(caption, columns, rows, empty = 'Nothing') {
  const heads = columns.map((column) => {
    const [text, kind] = Array.isArray(column) ? column : [column];
    return h('th', { scope: 'col', class: kind ?? null }, text);
  });
  const kinds = columns.map((column) => (Array.isArray(column) ? column[1] : null));
  const body = rows.map((row) =>
    h('tr', {}, row.map((cell, at) => h('td', { class: kinds[at] }, cell))));
  if (body.length === 0) {
    body.push(h('tr', {}, h('td', { colspan: columns.length, class: 'faint' }, empty)));
  }
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', {}, h('caption', {}, caption), h('thead', {}, h('tr', {}, heads)),
      h('tbody', {}, body)));
}

export function button(text, onclick, properties = {}) {
  return h('button', { type: 'button', onclick, ...properties }, text);
}

/** A field with its label. */
export function field(label, input) {
  input.id ||= `field-${(field.count = (field.count ?? 0) + 1)}`;
  return h('div', { class: 'field' }, h('label', { for: input.id }, label), input);
}

let fading;
/** Tells people something for a moment. */
export function notice(text, isError = false) {
  const place = document.getElementById('notice');
  place.textContent = text;
  place.className = isError ? 'shown bad' : 'shown';
  clearTimeout(fading);
  fading = setTimeout(() => { place.className = ''; }, isError ? 8000 : 3000);
}

/** Runs what may fail, and tells how. */
export async function trying(work, done) {
  try {
    const result = await work();
    if (done) notice(done);
    return result;
  } catch (error) {
    notice(error.message, true);
    return undefined;
  }
}

// Figures.

/** Three digits: 1.23, 12.3, 123, and never 1.00e+3. */
function three(count) {
  return Math.abs(count) >= 99.95 ? String(Math.round(count)) : count.toPrecision(3);
}

/** In powers of 1024, as INFO and redis.conf count: 512mb is 512 MB. */
export function bytes(count) {
  if (count === null || count === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  for (; Math.abs(count) >= (at ? 999.5 : 1000) && at < units.length - 1; at++) count /= 1024;
  return `${at === 0 ? count : three(count)} ${units[at]}`;
}

export function number(count) {
  if (count === null || count === undefined || Number.isNaN(count)) return '–';
  if (Math.abs(count) >= 999.5e6) return `${three(count / 1e9)} G`;
  if (Math.abs(count) >= 999.5e3) return `${three(count / 1e6)} M`;
  if (Math.abs(count) >= 1e4) return `${three(count / 1e3)} k`;
  return Number.isInteger(count) ? String(count) : three(count);
}

/** `1 lock`, `2 locks`. */
export function counted(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

export function percent(share) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(share === 1 || share === 0 ? 0 : 1)} %` : '–';
}

export function micros(us) {
  if (us >= 999.5e3) return `${three(us / 1e6)} s`;
  if (us >= 999.5) return `${three(us / 1e3)} ms`;
  return us >= 1 ? `${Number(us.toPrecision(3))} µs` : `${Math.round(us * 1000)} ns`;
}

export function span(seconds) {
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const at = parts.findIndex(([size]) => seconds >= size);
  if (at < 0) return '0 s';
  const first = Math.floor(seconds / parts[at][0]);
  const rest = parts[at + 1] && first < 10
    ? Math.floor((seconds % parts[at][0]) / parts[at + 1][0]) : 0;
  return `${first} ${parts[at][1]}${rest ? ` ${rest} ${parts[at + 1][1]}` : ''}`;
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString();
}

export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString();
}

/** A time to live in milliseconds, as PTTL tells it. */
export function ttl(ms) {
  return ms === -1 ? 'none' : ms < 0 ? 'gone' : ms < 10000 ? `${ms} ms` : span(ms / 1000);
}

// Texts of any bytes: a string, or {base64: '...'} where the bytes are no UTF-8.

export function isBytes(value) {
  return value !== null && typeof value === 'object' && typeof value.base64 === 'string';
}

/** How a text is shown: what is no character stands as \x.., as redis-cli has it. */
export function shown(value) {
  if (value === null || value === undefined) return '(nil)';
  if (isBytes(value)) {
    return [...atob(value.base64)].map((character) => {
      const code = character.charCodeAt(0);
      return code >= 32 && code < 127 ? character : `\\x${code.toString(16).padStart(2, '0')}`;
    }).join('');
  }
  if (typeof value === 'object') {
    return String(value.double ?? value.integer ?? value.error ?? JSON.stringify(value));
  }
  return String(value).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => character === '\n' ? '⏎'
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** A text cut to a length that can be looked at. */
export function cut(value, length = 120) {
  const text = shown(value);
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** The pairs of a map, an array of pairs, or a flat array. */
export function pairs(reply) {
  if (!Array.isArray(reply)) return reply?.map ?? [];
  if (reply.every(Array.isArray)) return reply;
  const result = [];
  for (let at = 0; at + 1 < reply.length; at += 2) result.push([reply[at], reply[at + 1]]);
  return result;
}

/** The members of a set or an array. */
export function members(reply) {
  return reply?.set ?? reply ?? [];
}
