// Which days are whole. The host says so once something keeps account of that.

import { get } from '../api.js';
import { el, text } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { table } from '../table.js';

/** Opens the view. */
export function open(root) {
  const words = el('p', { class: 'answer', id: 'days', role: 'status' }, t('asking'));
  const list = table({
    caption: t('view.days'), keyOf: (it) => it.date, rowClass: (it) => `is-${it.verdict}`,
    columns: [
      { key: 'date', label: t('column.date'), value: (it) => it.date },
      { key: 'verdict', label: t('column.verdict'), value: (it) => it.verdict, show: (verdict) => named('verdict', verdict) },
      { key: 'expected', number: true, label: t('column.expected'), value: (it) => it.expected ?? null, show: format.count },
      { key: 'seen', number: true, label: t('column.seen'), value: (it) => it.seen ?? null, show: format.count },
      { key: 'complete', number: true, label: t('column.complete'), value: (it) => it.complete ?? null, show: format.count },
    ],
  });
  list.node.hidden = true;
  root.append(el('h1', {}, t('view.days')), words, list.node);
  let isOpen = true;
  const ask = async () => {
    try {
      const answer = await get('api/days');
      if (!isOpen) return;
      const days = Array.isArray(answer) ? answer : answer?.days ?? [];
      text(words, days.length ? '' : t('no_days'));
      list.node.hidden = days.length === 0;
      list.update(days, '-date');
    } catch (error) {
      if (isOpen) text(words, error.code === 404 ? `${t('days_not_yet')} (${error.message})` : error.message);
    }
  };
  ask();
  return {
    filter() {},
    update() {},
    close() {
      isOpen = false;
    },
  };
}
