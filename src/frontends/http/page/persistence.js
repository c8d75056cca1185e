// What is kept on disk.

import { h, bytes, button, moment, number, percent, span, trying } from './dom.js';
import { command } from './server.js';

export default function persistence(root) {
  const place = h('div');
  const rewrite = button('Rewrite the log',
    () => trying(() => command('BGREWRITEAOF'), 'It is being rewritten'), { hidden: true });
  root.append(place, h('div', { class: 'row' },
    button('Save a snapshot now', () => trying(() => command('BGSAVE'), 'It is being saved')), rewrite));

  function list(title, items) {
    return h('section', { class: 'card' }, h('h3', {}, title), h('dl', { class: 'facts' },
      items.filter(Boolean).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])));
  }
  const bar = (label, share) => h('span', {},
    h('progress', { max: 1, value: share, 'aria-label': label }), ` ${percent(share)}`);

  return {
    tick({ persistence: p, at_s: now }) {
      const working = p.rdb_bgsave_in_progress === '1';
      const rewriting = p.aof_rewrite_in_progress === '1';
      const share = Number(p.current_save_keys_processed) / Math.max(1, Number(p.current_save_keys_total));
      const well = (text) => text === 'ok' ? 'well' : h('strong', { class: 'bad' }, 'it failed: see the log');
      const saved = Number(p.rdb_last_save_time);
      rewrite.hidden = p.aof_enabled !== '1';
      place.replaceChildren(...[
        p.loading === '1' ? list('Loading', [
          ['Progress', bar('Loading', Number(p.loading_loaded_perc) / 100)],
          ['Still', span(Number(p.loading_eta_seconds))]]) : null,
        list('Snapshot', [
          ['The last one', p.rdb_saves === '0' ? 'none since the start'
            : `${moment(saved)}, ${span(Math.max(0, now - saved))} ago`],
          p.rdb_saves === '0' && p.rdb_last_bgsave_status === 'ok' ? null
            : ['It went', well(p.rdb_last_bgsave_status)],
          p.rdb_last_bgsave_time_sec !== '-1' ? ['It took', span(Number(p.rdb_last_bgsave_time_sec))] : null,
          ['Changes that are in none', number(Number(p.rdb_changes_since_last_save))],
          working ? ['Saving', bar('Saving', share)] : null,
          ['Saved since the start', p.rdb_saves]]),
        list('Log', p.aof_enabled === '1' ? [
          ['Size', bytes(Number(p.aof_current_size ?? 0))],
          ['Of it the base', bytes(Number(p.aof_base_size ?? 0))],
          ['Writing went', well(p.aof_last_write_status)],
          ['Records', number(Number(p.aof_records ?? 0))],
          ['Not yet on the disk', number(Math.max(0, (p.aof_records ?? 0) - (p.aof_records_synced ?? 0)))],
          ['The last rewriting went', well(p.aof_last_bgrewrite_status)],
          rewriting ? ['Rewriting', bar('Rewriting', share)] : null,
        ] : [['State', 'off: changes since the last snapshot are lost if the server ends (appendonly)']]),
      ].filter(Boolean));
    },
  };
}
