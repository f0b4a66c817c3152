// The line of a day with its volume below it. Gaps are gaps; the lunch is cut out.

import { attribute, el, svg, text } from '../dom.js';
import * as format from '../format.js';
import { t } from '../i18n.js';
import { LENGTH, MARKS, placeOf, reach, runsOf } from './session.js';

const WIDTH = 760;
const LEFT = 56;
const RIGHT = 56;
const PRICES = { top: 10, bottom: 220 };
const VOLUMES = { top: 236, bottom: 300 };
const HEIGHT = 322;
const across = (place) => LEFT + (place / LENGTH) * (WIDTH - LEFT - RIGHT);

/** A chart; `update(day)` draws an answer of `/api/quotes?day=`. */
export function intraday() {
  const cursor = svg('line', { class: 'cursor', y1: PRICES.top, y2: VOLUMES.bottom, visibility: 'hidden' });
  const content = svg('g');
  const drawing = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    tabindex: 0,
    class: 'intraday',
    'aria-label': t('intraday'),
    onpointermove: (event) => point(placeUnder(event)),
    onpointerleave: () => point(null),
    onkeydown: (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || all.length === 0) return;
      event.preventDefault();
      const at = all.findIndex((it) => it.place === chosen);
      point(all[Math.min(all.length - 1, Math.max(0, at < 0 ? all.length - 1 : at + step))].place);
    },
  }, content, cursor);
  const reading = el('p', { class: 'reading', id: 'reading', 'aria-live': 'polite' });
  const node = el('figure', { id: 'intraday' }, drawing, reading);
  let all = [];
  let before = 0;
  let chosen = null;
  let drawn = '';

  const placeUnder = (event) => {
    const box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    return Math.round(((x - LEFT) / (WIDTH - LEFT - RIGHT)) * LENGTH);
  };
  const point = (place) => {
    chosen = place;
    const it = all.find((one) => one.place === place);
    attribute(cursor, 'visibility', it ? 'visible' : 'hidden');
    if (it) {
      attribute(cursor, 'x1', across(it.place));
      attribute(cursor, 'x2', across(it.place));
    }
    text(reading, it ? words(it) : lastWords());
  };
  const words = (it) => t('minute', {
    time: format.clock(it.minute),
    price: format.price(it.price),
    change: before > 0 ? `${format.signed((it.price / before - 1) * 100)}%` : '',
    volume: format.count(it.volume),
    amount: format.money(it.amount),
  });
  const lastWords = () => (all.length ? words(all.at(-1)) : t('no_points'));
  return {
    node,
    update(day) {
      const next = JSON.stringify([day?.symbol, day?.date, day?.prev_close, day?.points]);
      if (next === drawn) return;
      drawn = next;
      const runs = runsOf(day?.points ?? []);
      all = runs.flat();
      before = day?.prev_close > 0 ? day.prev_close : all[0]?.price ?? 0;
      content.replaceChildren(...frame(day), ...curves(runs, before));
      point(chosen);
    },
  };
}

function frame(day) {
  const lines = MARKS.map((minute) => {
    const x = across(placeOf(minute));
    const label = minute === 690 ? '11:30/13:00' : format.clock(minute);
    return svg('g', {},
      svg('line', { x1: x, x2: x, y1: PRICES.top, y2: VOLUMES.bottom, class: 'grid' }),
      svg('text', { x, y: HEIGHT - 6, 'text-anchor': 'middle' }, label));
  });
  return [
    ...lines,
    svg('line', { x1: across(0), x2: across(LENGTH), y1: VOLUMES.bottom, y2: VOLUMES.bottom, class: 'grid' }),
    svg('text', { x: across(0) + 4, y: PRICES.top + 10, class: 'dim' }, day?.date ?? ''),
  ];
}

function curves(runs, before) {
  if (runs.length === 0) return [];
  const half = reach(runs, before);
  const down = (price) => PRICES.top + ((before + half - price) / (2 * half)) * (PRICES.bottom - PRICES.top);
  const most = Math.max(1, ...runs.flat().map((it) => it.volume));
  const tall = (volume) => (volume / most) * (VOLUMES.bottom - VOLUMES.top);
  const places = format.price(before).split('.')[1]?.length ?? 2;
  const levels = [half, 0, -half].flatMap((distance) => {
    const y = down(before + distance);
    const kind = distance > 0 ? 'up' : distance < 0 ? 'down' : 'same';
    return [
      svg('line', { x1: across(0), x2: across(LENGTH), y1: y, y2: y, class: distance === 0 ? 'grid base' : 'grid' }),
      svg('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end', class: kind }, (before + distance).toFixed(places)),
      svg('text', { x: WIDTH - RIGHT + 6, y: y + 4, class: kind }, `${format.signed((distance / before) * 100)}%`),
    ];
  });
  const lines = runs.map((run) => {
    const [first] = run;
    // a minute alone would be a line without length
    if (run.length === 1) return svg('circle', { cx: across(first.place), cy: down(first.price), r: 1.6, class: 'price alone' });
    return svg('polyline', { points: run.map((it) => `${across(it.place).toFixed(1)},${down(it.price).toFixed(1)}`).join(' '), class: 'price' });
  });
  let last = before;
  const bars = runs.flat().map((it) => {
    const kind = it.price > last ? 'up' : it.price < last ? 'down' : 'same';
    last = it.price;
    const height = tall(it.volume);
    return svg('rect', { x: (across(it.place) - 1).toFixed(1), y: (VOLUMES.bottom - height).toFixed(1), width: 2, height: height.toFixed(1), class: `volume ${kind}` });
  });
  const top = svg('text', { x: LEFT - 6, y: VOLUMES.top + 4, 'text-anchor': 'end', class: 'dim' }, format.count(most));
  return [...levels, ...bars, ...lines, top];
}

