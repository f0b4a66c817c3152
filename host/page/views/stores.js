// What is kept: last commits, what waits, and what was refused.

import { attribute, el, text } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { live } from '../live.js';
import { link, refine } from '../router.js';
import { table } from '../table.js';
import { letters } from './letters.js';

/** Opens the view. */
export function open(root) {
  let order = '';
  let opened = null;
  const list = table({
    caption: t('view.stores'), columns: columns(), keyOf: (it) => it.id, empty: t('no_stores'),
    onOrder: (next) => refine({ sort: next }),
    rowClass: (it) => `is-${it.paused ? 'paused' : it.state}`,
  });
  const below = el('section', { id: 'letters', 'aria-live': 'polite' });
  root.append(el('h1', {}, t('view.stores')), list.node, below);
  return {
    filter(filters) {
      order = filters.sort ?? '';
      const [id, after] = [filters.id ?? null, Number(filters.after ?? 0) || 0];
      if (opened?.id === id && opened?.after === after) return;
      opened?.list.close();
      below.replaceChildren();
      opened = id ? { id, after, list: letters(below, id, after) } : null;
    },
    update() {
      if (!live.pipeline) return;
      // also who is no store but has set rows aside, as a source of files
      list.update(live.pipeline.components.filter((it) => it.kind === 'sink' || it.dead_letters > 0), order);
      opened?.list.update();
    },
    close() {
      opened?.list.close();
    },
  };
}

function columns() {
  const waits = (it) => (it.queue?.oldest_us ? Math.max(0, (live.pipeline.now_us - it.queue.oldest_us) / 1e6) : null);
  const passed = (us) => Math.max(0, (live.pipeline.now_us - us) / 1e6);
  return [
    { key: 'id', label: t('column.store'), value: (it) => it.id },
    { key: 'plugin', label: t('column.plugin'), value: (it) => it.plugin },
    { key: 'state', label: t('column.state'), value: (it) => (it.paused ? 'paused' : it.state), show: (state) => named('state', state), title: (it) => it.last_error ?? '' },
    { key: 'commit', number: true, label: t('column.commit'), value: (it) => it.last_commit_us ?? null,
      show: (us) => (us ? t('ago', { time: format.time(us), duration: format.duration(passed(us)) }) : format.NONE) },
    { key: 'where', label: t('column.where'), value: (it) => it.queue?.kind ?? '', show: (kind) => named('queue_kind', kind || 'none') },
    { key: 'records', number: true, label: t('column.waiting'), value: (it) => it.queue?.records ?? null, show: format.count },
    { key: 'bytes', number: true, label: t('column.bytes'), value: (it) => it.queue?.bytes ?? null, show: format.bytes },
    { key: 'seconds', number: true, label: t('column.oldest'), value: waits, show: (value) => (value === null ? format.NONE : format.duration(value)) },
    { key: 'fill', number: true, label: t('column.queue'), value: (it) => it.queue?.fill ?? null, show: format.percent },
    { key: 'letters', number: true, label: t('column.letters'), value: (it) => it.dead_letters ?? 0, build: () => {
      const anchor = el('a');
      return {
        node: anchor,
        update(it) {
          const some = it.dead_letters ?? 0;
          text(anchor, some > 0 ? t('show_letters', { count: format.count(some) }) : '0');
          attribute(anchor, 'href', some > 0 ? link('stores', { id: it.id }) : null);
        },
      };
    } },
  ];
}
