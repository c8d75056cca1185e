// Locks with a fence: who holds them, and how many wait.

import { h, button, counted, cut, number, table, trying, ttl } from './dom.js';
import { command, commands } from './server.js';

export default function locks(root) {
  const place = h('div');
  const said = h('p', { class: 'faint', role: 'status' });
  root.append(h('p', { class: 'faint' },
    'Locks taken by LOCK.ACQUIRE. A fence is a number that only grows: storage can refuse a holder ',
    'whose time was over. A lease (LEASE.GET) lets one client compute a value while others wait.'),
  said, place);
  async function draw(facts) {
    const all = await trying(() => command('LOCK.LIST', 'COUNT', 500));
    if (!all) return;
    const infos = all.length ? await commands(all.map(([name]) => ['LOCK.INFO', name])) : [];
    const waiters = infos.map(({ reply }) => {
      const map = new Map((reply?.map ?? []).map(([key, value]) => [String(key), value]));
      const waiting = map.get('waiting') ?? map.get('waiters');
      return Array.isArray(waiting) ? waiting.length : waiting ?? 0;
    });
    if (facts) said.textContent = `${counted(facts.now.locks, 'lock')} in all databases, ${
      counted(facts.now.leases, 'key')} with a lease.`;
    place.replaceChildren(table('Locks of this database',
      ['Name', 'Owner', ['Fence', 'number'], ['Time left', 'number'], ['Waiting', 'number'], 'Action'],
      all.map(([name, owner, fence, ms], at) => [cut(name, 60), cut(owner, 60), String(fence.integer ?? fence),
        ttl(ms), number(waiters[at]), button('Release', async () => {
          if (!confirm(`Take the lock ${cut(name)} from ${cut(owner)}?`)) return;
          await trying(() => command('LOCK.RELEASE', name, owner), 'Released');
          draw();
        }, { class: 'small danger', 'aria-label': `Release ${cut(name, 60)}` })]),
      'No lock is held'));
  }
  let beats = 0;
  return { tick(facts) {
    if (beats % 3 === 0 && !place.contains(document.activeElement)) draw(facts);
    beats += 1;
  } };
}
