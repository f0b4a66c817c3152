// Who reads from this host, who lags and by how much, and what can be done about it.

import { get } from '../api.js';
import { csv, download } from '../csv.js';
import { actionButton } from '../dialog.js';
import { el, text } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { link, refine } from '../router.js';
import { sort, table } from '../table.js';
import { act } from './action.js';

const ASK_MS = 2_000;
const ACTIONS = ['disconnect', 'claim', 'ack', 'set_position', 'remove'];
const TREND = { rising: '↑', steady: '→', falling: '↓' };
/** The largest lag first. */
const ORDER = '-lag_seconds';
/** What a file of the table has. */
const FIELDS = [
  'id', 'component', 'kind', 'name', 'address', 'group', 'state', 'since_us', 'records', 'rate', 'lag_records', 'lag_seconds', 'trend',
  'pending', 'lost', 'securities', 'acknowledged', 'success_rate', 'errors', 'last_record_us', 'last_error', 'old', 'seen_us',
];

/** Opens the view. */
export function open(root) {
  let readers = [];
  let filters = {};
  let timer = null;
  let isOpen = true;
  let nowUs = 0;

  const worst = el('p', { class: 'answer', id: 'worst', role: 'status' });
  const sums = el('p', { class: 'dim', id: 'sums' });
  const failed = el('p', { class: 'bad', hidden: true });
  const field = el('input', {
    type: 'search', id: 'reader-filter', placeholder: t('filter'), 'aria-label': t('filter'),
    oninput: () => refine({ q: field.value }),
  });
  const choice = (key, values) => el('select', { 'aria-label': t(`column.${key}`), onchange: (event) => refine({ [key]: event.target.value }) },
    el('option', { value: '' }, t(`any.${key}`)),
    ...values.map((value) => el('option', { value }, named(key === 'kind' ? 'reader' : 'reader_state', value))));
  const kind = choice('kind', ['subscriber', 'client', 'consumer', 'watcher']);
  const state = choice('state', ['live', 'idle', 'slow', 'losing', 'gone']);
  const ask = async () => {
    clearTimeout(timer);
    try {
      const answer = await get('api/readers');
      readers = answer?.readers ?? [];
      nowUs = answer?.now_us ?? Date.now() * 1000;
      const silent = Object.entries(answer?.not_told ?? {});
      const words = silent.map(([id, why]) => t('not_told', { id, why }));
      if (answer?.left_out > 0) words.push(t('left_out', { count: format.count(answer.left_out) }));
      failed.hidden = words.length === 0;
      text(failed, words.join(' · '));
    } catch (error) {
      failed.hidden = false;
      text(failed, error.message);
    }
    if (!isOpen) return;
    timer = setTimeout(ask, ASK_MS);
    if (!document.hidden) update();
  };
  const columns = columnsOf(() => readers, ask);
  const list = table({
    caption: t('view.readers'), columns, keyOf: (it) => it.id, empty: t('none_shown'),
    onOrder: (order) => refine({ sort: order }),
    rowClass: (it) => (it.old ? 'is-gone' : `is-${it.state}`),
  });
  const save = el('button', {
    type: 'button', id: 'csv',
    onclick: () => {
      const rows = sort(shown(readers, filters), columns, filters.sort ?? ORDER);
      download('readers.csv', csv(FIELDS, rows.map((it) => FIELDS.map((name) => it[name]))));
    },
  }, t('csv'));
  root.append(el('h1', {}, t('view.readers')), worst, el('div', { class: 'filters' }, field, kind, state, save), failed, list.node, sums);

  const update = () => {
    const some = shown(readers, filters);
    list.update(some, filters.sort ?? ORDER);
    text(worst, worstOf(readers));
    text(sums, sumsOf(some, nowUs));
  };
  ask();
  return {
    filter(next) {
      filters = next;
      if (document.activeElement !== field) field.value = next.q ?? '';
      kind.value = next.kind ?? '';
      state.value = next.state ?? '';
    },
    update,
    close() {
      isOpen = false;
      clearTimeout(timer);
    },
  };
}

/** The readers that pass the filters. */
export function shown(readers, { q = '', kind = '', state = '', component = '' }) {
  const wanted = q.toLowerCase();
  const has = (it) => [it.id, it.name, it.address, it.group, it.component, it.last_error].some((part) => String(part ?? '').toLowerCase().includes(wanted));
  return readers.filter((it) =>
    (!kind || it.kind === kind) && (!state || it.state === state) && (!component || it.component === component) && (!wanted || has(it)));
}

function nameOf(it) {
  return [it.group, it.name || it.address || it.id].filter(Boolean).join(' / ');
}

/** What is to be said of a state: that it is old, and what last went wrong. */
function stateOf(it) {
  return [it.old ? t('as_told', { time: format.time(it.seen_us) }) : '', it.last_error].filter(Boolean).join(' · ');
}

/** Answers who lags and by how much. */
function worstOf(readers) {
  // a group goes on falling behind when its consumer is dead
  const there = readers.filter((it) => it.state !== 'gone' || it.kind === 'consumer');
  const [first] = [...there].sort((a, b) => (b.lag_seconds ?? 0) - (a.lag_seconds ?? 0) || (b.lag_records ?? 0) - (a.lag_records ?? 0));
  const losing = there.filter((it) => it.state === 'losing');
  const parts = [];
  if (first && ((first.lag_seconds ?? 0) > 0 || (first.lag_records ?? 0) > 0)) {
    parts.push(t('lags_most', {
      name: first.state === 'gone' ? `${nameOf(first)} (${named('reader_state', 'gone')})` : nameOf(first),
      seconds: format.duration(first.lag_seconds ?? 0),
      records: format.count(first.lag_records),
      trend: named('trend', first.trend),
    }));
  } else {
    parts.push(t(there.length ? 'nobody_lags' : 'no_readers'));
  }
  if (losing.length) parts.push(t('losing', { names: losing.map(nameOf).join(', ') }));
  return parts.join(' · ');
}

function sumsOf(readers, nowUs) {
  const sum = (key) => readers.reduce((total, it) => total + (it[key] ?? 0), 0);
  return t('reader_sums', {
    count: readers.length,
    records: format.count(sum('records')),
    rate: format.rate(sum('rate')),
    pending: format.count(sum('pending')),
    lost: format.count(sum('lost')),
    errors: format.count(sum('errors')),
    time: format.time(nowUs),
  });
}

function columnsOf(readers, ask) {
  const number = (key, show) => ({ key, number: true, label: t(`column.${key}`), value: (it) => it[key] ?? null, show });
  return [
    { key: 'name', label: t('column.reader'), value: nameOf, title: (it) => `${it.id} ${it.address ?? ''}` },
    { key: 'kind', label: t('column.kind'), value: (it) => it.kind, show: (kind) => named('reader', kind) },
    { key: 'component', label: t('column.component'), value: (it) => it.component, build: () => {
      const anchor = el('a');
      return {
        node: anchor,
        update(it) {
          anchor.href = link('pipeline', { id: it.component });
          text(anchor, it.component);
        },
      };
    } },
    { key: 'state', label: t('column.state'), value: (it) => it.state, show: (state) => named('reader_state', state), title: stateOf },
    number('lag_seconds', (value) => (value === null ? format.NONE : format.duration(value))),
    { ...number('lag_records', null), show: (value, it) => `${format.count(value)} ${TREND[it.trend] ?? ''}`.trim(), title: (it) => named('trend', it.trend) },
    number('rate', format.rate),
    number('records', format.count),
    number('pending', format.count),
    number('lost', format.count),
    { ...number('acknowledged', format.count), title: (it) => (typeof it.success_rate === 'number' ? `${(it.success_rate * 100).toFixed(2)}%` : '') },
    number('securities', format.count),
    number('errors', format.count),
    { ...number('last_record_us', null), show: (value) => (value ? format.time(value) : format.NONE) },
    { key: 'actions', label: t('column.actions'), build: () => actions(readers, ask) },
  ];
}

/** A button for each action that the reader's kind has; one that cannot be done says why. */
function actions(readers, ask) {
  let reader = null;
  const buttons = new Map(ACTIONS.map((name) => {
    const button = actionButton(t(`action.${name}`), async () => {
      await act(reader, name, readers());
      await ask();
    });
    button.node.dataset.action = name;
    return [name, button];
  }));
  const node = el('div', { class: 'buttons' }, ...[...buttons.values()].map((it) => it.node));
  return {
    node,
    update(it) {
      reader = it;
      for (const [name, button] of buttons) {
        const allowed = it.actions?.[name];
        button.node.hidden = allowed === undefined || allowed === null;
        button.refuse(allowed === true ? null : String(allowed ?? ''));
      }
    },
  };
}
