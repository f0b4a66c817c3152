// Which days are whole: a calendar in colours of completeness, and what is missing of a day.

import { address, get } from '../api.js';
import { attribute, el, text } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { refine } from '../router.js';
import { table } from '../table.js';

const AGAIN_MS = 60_000;
/** Gaps of a day that are shown. */
const MOST = 500;

/** How whole a day is, from 0 to 4; null where nothing was expected. */
export function levelOf({ verdict, expected, complete }) {
  if (verdict === 'complete') return 4;
  if (verdict !== 'incomplete') return null;
  const share = expected > 0 ? complete / expected : 0;
  return share >= 0.99 ? 3 : share >= 0.9 ? 2 : share >= 0.5 ? 1 : 0;
}

/** The months of some days, newest first: their weeks, in which seven `{ number, day }` begin with Monday. */
export function monthsOf(days) {
  const byDate = new Map(days.map((day) => [day.date, day]));
  const months = [...new Set(days.map((day) => day.date.slice(0, 7)))].sort().reverse();
  return months.map((month) => {
    const [year, at] = month.split('-').map(Number);
    const before = (new Date(Date.UTC(year, at - 1, 1)).getUTCDay() + 6) % 7;
    const length = new Date(Date.UTC(year, at, 0)).getUTCDate();
    const weeks = [];
    for (let place = 0; place < before + length; place += 1) {
      if (place % 7 === 0) weeks.push([]);
      const number = place - before + 1;
      weeks.at(-1).push(number < 1 ? null : { number, day: byDate.get(`${month}-${String(number).padStart(2, '0')}`) ?? null });
    }
    return { month, weeks };
  });
}

/** Opens the view. */
export function open(root) {
  let isOpen = true;
  let askedMs = 0;
  let chosen = null;
  let gaps = null;
  const words = el('p', { class: 'answer', id: 'days', role: 'status' }, t('asking'));
  const calendar = el('div', { class: 'calendar', id: 'calendar' });
  const below = el('section', { id: 'gaps', 'aria-live': 'polite' });
  root.append(el('h1', {}, t('view.days')), words, calendar, below);

  const show = (days) => {
    const traded = days.filter((it) => levelOf(it) !== null && !it.open);
    const whole = traded.filter((it) => it.verdict === 'complete').length;
    text(words, days.length ? t('days_sum', { days: traded.length, complete: whole }) : t('no_days'));
    // whoever stands on a day stays there
    const focused = calendar.contains(document.activeElement) ? document.activeElement.id : null;
    calendar.replaceChildren(...monthsOf(days).map(month));
    if (focused) document.getElementById(focused)?.focus();
    mark();
  };
  const mark = () => {
    for (const button of calendar.querySelectorAll('button')) attribute(button, 'aria-pressed', String(button.id === `day-${chosen}`));
  };
  const ask = async () => {
    askedMs = Date.now();
    try {
      const answer = await get('api/days');
      if (isOpen) show(answer?.days ?? []);
    } catch (error) {
      if (isOpen) text(words, error.code === 404 ? `${t('days_not_yet')} (${error.message})` : error.message);
    }
  };
  ask();
  return {
    filter({ date = null }) {
      if (date === chosen) return;
      chosen = date;
      gaps?.close();
      below.replaceChildren();
      gaps = date ? gapsOf(below, date) : null;
      mark();
    },
    update() {
      if (Date.now() - askedMs > AGAIN_MS) ask();
    },
    close() {
      isOpen = false;
      gaps?.close();
    },
  };
}

function verdictOf(it) {
  return named('verdict', it.verdict) + (it.open ? t('so_far') : '');
}

function month({ month: name, weeks }) {
  const head = t('weekdays').split(' ').map((day) => el('th', { scope: 'col' }, day));
  const rows = weeks.map((week) => el('tr', {}, ...week.map((cell) => el('td', {}, cell && dayCell(cell)))));
  return el('table', { class: 'month' }, el('caption', {}, name), el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows));
}

function dayCell({ number, day }) {
  if (!day) return el('span', { class: 'dim' }, number);
  const level = levelOf(day);
  const values = { date: day.date, verdict: verdictOf(day), complete: format.count(day.complete), expected: format.count(day.expected) };
  const label = level === null ? `${day.date} ${values.verdict}` : t('day_label', values);
  return el('button', {
    type: 'button', id: `day-${day.date}`, 'aria-label': label, title: label,
    class: `${level === null ? 'off' : `level-${level}`}${day.open ? ' open' : ''}`,
    onclick: () => refine({ date: day.date }),
  }, number);
}

/** Shows what is missing of a day. */
function gapsOf(parent, date) {
  let isOpen = true;
  const words = el('p', { role: 'status' }, t('asking'));
  const list = table({
    caption: t('gaps_of', { date }), keyOf: (it) => [it.symbol, it.kind, it.from].join(),
    columns: [
      { key: 'symbol', label: t('column.symbol'), value: (it) => (it.symbol === '*' ? t('whole_market') : it.symbol) },
      { key: 'kind', label: t('column.kind'), value: (it) => named('record', it.kind) },
      { key: 'from', label: t('column.from'), value: (it) => it.from.slice(11, 16), title: (it) => it.from },
      { key: 'to', label: t('column.to'), value: (it) => it.to.slice(11, 16), title: (it) => it.to },
      { key: 'records', number: true, label: t('column.missing'), value: (it) => it.records, show: format.count },
    ],
  });
  list.node.hidden = true;
  parent.append(el('h2', {}, t('gaps_of', { date })), words, list.node);
  get(address(`api/days/${encodeURIComponent(date)}`)).then((day) => {
    if (!isOpen) return;
    const gaps = day.gaps ?? [];
    const left = gaps.length > MOST ? ` · ${t('left_out', { count: format.count(gaps.length - MOST) })}` : '';
    const values = { date, verdict: named('verdict', day.verdict), complete: format.count(day.complete), expected: format.count(day.expected) };
    text(words, t('day_label', values) + (gaps.length ? left : ` · ${t('no_gaps')}`));
    list.node.hidden = gaps.length === 0;
    list.update(gaps.slice(0, MOST), '');
  }).catch((error) => {
    if (isOpen) text(words, error.message);
  });
  return {
    close() {
      isOpen = false;
    },
  };
}
