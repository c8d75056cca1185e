// A console: commands as redis-cli takes them, with completion, and help from COMMAND DOCS.

import { h, isBytes, members, shown } from './dom.js';
import { command, facts, place } from './server.js';

let docs = null;
/** Every parameter by its name, for CONFIG GET and SET. */
let parameters = null;
const past = [];
const HINT = 'Type a command. Tab completes its name, the arrows bring back earlier ones; help COMMAND tells '
  + 'what it does.';

/** Words as redis-cli splits them: quoted ones may hold blanks and \x... */
export function words(line) {
  const found = [];
  const word = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\')*)'|([^\s"']\S*))(?=\s|$)/gy;
  for (let at = 0; line.slice(at).trim() !== '';) {
    word.lastIndex = at;
    const match = word.exec(line);
    if (!match) throw new Error('A quote is not closed, or a word stands right behind one');
    at = word.lastIndex;
    const [, double, single, plain] = match;
    found.push(plain ?? (single !== undefined ? single.replace(/\\'/g, "'") : unescaped(double)));
  }
  return found;
}

function unescaped(text) {
  let raw = '';
  let hasBytes = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '\\') {
      raw += text[at];
      continue;
    }
    at += 1;
    const hex = /^x([0-9a-f]{2})/i.exec(text.slice(at));
    if (hex) {
      raw += String.fromCharCode(parseInt(hex[1], 16));
      hasBytes ||= parseInt(hex[1], 16) > 127;
      at += 2;
    } else {
      raw += { n: '\n', r: '\r', t: '\t', b: '\b', a: '\u0007' }[text[at]] ?? text[at];
    }
  }
  return hasBytes ? { base64: btoa(raw) } : raw;
}

/** A reply as redis-cli prints it. */
export function printed(reply, indent = '') {
  if (reply === null) return '(nil)';
  if (reply === true || reply === false) return `(${reply})`;
  if (typeof reply === 'number') return Number.isInteger(reply) ? `(integer) ${reply}` : `(double) ${reply}`;
  if (typeof reply === 'string') return reply.includes('\n') ? reply : `"${shown(reply)}"`;
  if (isBytes(reply)) return `"${shown(reply)}"`;
  if (reply.error) return `(error) ${reply.error}`;
  if (reply.integer) return `(integer) ${reply.integer}`;
  if (reply.double) return `(double) ${reply.double}`;
  if (!Array.isArray(reply) && reply.map) {
    return reply.map.length ? reply.map.map(([key, value], at) => {
      const head = `${at + 1}# ${printed(key, indent)} => `;
      return `${at ? indent : ''}${head}${printed(value, `${indent}${' '.repeat(4)}`)}`;
    }).join('\n') : '(empty hash)';
  }
  const list = Array.isArray(reply) ? reply : reply.push ?? members(reply);
  const sign = reply.set ? '~' : ')';
  return list.length ? list.map((one, at) => {
    const head = `${at + 1}${sign} `;
    return `${at ? indent : ''}${head}${printed(one, indent + ' '.repeat(head.length))}`;
  }).join('\n') : reply.set ? '(empty set)' : '(empty array)';
}

/** Reads COMMAND DOCS: {summary, syntax, since, complexity} by name. */
async function readDocs() {
  const all = new Map();
  const take = ([name, facts]) => {
    const map = new Map(facts.map);
    const syntax = (map.get('arguments') ?? []).map(argument).join(' ');
    all.set(name.replace('|', ' '), { summary: map.get('summary'), since: map.get('since'),
      complexity: map.get('complexity'), syntax });
    (map.get('subcommands')?.map ?? []).forEach(take);
  };
  (await command('COMMAND', 'DOCS')).map.forEach(take);
  return all;
}

function argument(given) {
  const map = new Map(given.map);
  const flags = members(map.get('flags') ?? []);
  const inner = map.get('arguments')?.map(argument);
  let text = map.get('type') === 'oneof' ? `<${inner.join(' | ')}>`
    : map.get('type') === 'block' ? inner.join(' ')
      : map.get('type') === 'pure-token' ? '' : map.get('display_text') ?? map.get('name');
  if (map.get('token')) text = `${map.get('token')} ${text}`.trim();
  if (flags.includes('multiple')) text = `${text} [${text} ...]`;
  return flags.includes('optional') ? `[${text}]` : text;
}

export default function terminal(root) {
  const out = h('div', { class: 'terminal', role: 'log', tabindex: '0', 'aria-label': 'Replies' });
  const input = h('input', { class: 'prompt', autocomplete: 'off', autocapitalize: 'off',
    spellcheck: 'false', 'aria-label': 'Command', 'aria-describedby': 'help' });
  const help = h('p', { id: 'help', class: 'help', role: 'status' },
    HINT);
  let at = past.length;

  const print = (text, className) => {
    out.append(h('pre', { class: className ?? null }, text));
    while (out.children.length > 400) out.firstChild.remove();
    out.scrollTop = out.scrollHeight;
  };

  async function run(line) {
    print(`${place.db ? `[${place.db}]` : ''}> ${line}`, 'asked');
    if (line !== past.at(-1)) past.push(line);
    at = past.length;
    try {
      const args = words(line);
      const first = String(args[0]).toLowerCase();
      if (first === 'clear') return out.replaceChildren();
      if (first === 'help') return print(describe(args.slice(1).join(' ').toLowerCase()));
      if (first === 'select' && args.length === 2) {
        const picker = document.getElementById('db');
        if (!picker.querySelector(`option[value="${Number(args[1])}"]`)) {
          throw new Error('ERR DB index is out of range');
        }
        place.db = Number(args[1]);
        picker.value = args[1];
        return print('OK');
      }
      print(printed(await command(...args)));
    } catch (error) {
      print(`(error) ${error.message}`, 'bad');
    }
    return undefined;
  }

  function find(text) {
    const two = text.trim().toLowerCase().split(/\s+/).slice(0, 2).join(' ');
    return docs?.has(two) ? two : docs?.has(two.split(' ')[0]) ? two.split(' ')[0] : null;
  }

  function describe(text) {
    const name = find(text);
    if (!name) return 'help COMMAND tells what a command does';
    const one = docs.get(name);
    return `${name.toUpperCase()} ${one.syntax}\n${one.summary}\n${one.complexity} · since ${one.since}`;
  }

  /** The parameter that is being named, as far as it is: [what stands before it, its beginning]. */
  function parameterBegun() {
    const match = /^(\s*config\s+(?:set|get)\s+)(\S*)/i.exec(input.value);
    return match && parameters ? [match[1], match[2].toLowerCase()] : null;
  }

  function hintOfParameter() {
    const one = parameters.get(parameterBegun()?.[1]);
    if (!one) return null;
    const value = one.secret ? '(not shown)' : one.value || '(empty)';
    return `${one.name} is ${value}${one.value === one.default ? ', its default' : ''} — ${
      one.meaning.replaceAll('`', '')}${one.choices.length ? ` (${one.choices.filter((name) =>
        !name.startsWith('~')).join(', ')})` : ''}`;
  }

  function hint() {
    const about = parameterBegun() && hintOfParameter();
    if (about) {
      help.textContent = about;
      return;
    }
    const name = find(input.value);
    help.textContent = name ? `${name.toUpperCase()} ${docs.get(name).syntax} — ${docs.get(name).summary}`
      : input.value === '' ? HINT : '';
  }

  function complete() {
    const ofParameter = parameterBegun();
    const before = ofParameter?.[0] ?? '';
    const begun = ofParameter?.[1] ?? input.value.toLowerCase().trimStart();
    const spelled = (name) => (ofParameter ? name : name.toUpperCase());
    const fitting = [...(ofParameter ? parameters : docs)?.keys() ?? []]
      .filter((name) => name.startsWith(begun)).sort();
    if (fitting.length === 0) return;
    let common = fitting[0];
    for (const name of fitting) {
      while (!name.startsWith(common)) common = common.slice(0, -1);
    }
    input.value = `${before}${spelled(common)}${fitting.length === 1 ? ' ' : ''}`;
    if (fitting.length > 1) help.textContent = fitting.slice(0, 40).map(spelled).join('  ');
    else hint();
  }

  input.addEventListener('input', hint);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Tab' && !event.shiftKey && input.value !== '' && !input.value.endsWith(' ')) {
      event.preventDefault();
      complete();
    } else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
      event.preventDefault();
      at = Math.min(past.length, Math.max(0, at + (event.key === 'ArrowUp' ? -1 : 1)));
      input.value = past[at] ?? '';
      hint();
    }
  });
  root.append(h('form', { class: 'console', onsubmit: (event) => {
    event.preventDefault();
    const line = input.value.trim();
    input.value = '';
    if (line) run(line);
  } }, out, h('div', { class: 'row prompt-row' }, h('span', { 'aria-hidden': 'true' }, '>'), input), help));
  input.focus();
  facts('parameters').then((all) => { parameters = new Map(all.map((one) => [one.name, one])); }, () => {});
  if (!docs) {
    readDocs().then((all) => { docs = all; hint(); }, (error) => print(`(error) ${error.message}`, 'bad'));
  }
  return {};
}
