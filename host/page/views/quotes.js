// The newest quote of a security, its day, and the list of what this browser watches.

import { address, get } from '../api.js';
import { attribute, el, text } from '../dom.js';
import * as format from '../format.js';
import { t } from '../i18n.js';
import { live, takeQuotes, watch } from '../live.js';
import { keep, recall } from '../prefs.js';
import { go, link, refine } from '../router.js';
import { facts, table } from '../table.js';
import { book } from './book.js';
import { intraday } from './intraday.js';
import { search } from './search.js';

/** 平安银行, as long as nothing was asked for. */
const FIRST = '000001.SZ';
const MOST_WATCHED = 50;
const DAY_MS = 10_000;
const TICK_MS = 100;

/** Opens the view. */
export function open(root) {
  const find = search((symbol) => go('quotes', { symbol }));
  const name = el('h1', { id: 'name' });
  const price = el('span', { class: 'price', id: 'price' });
  const change = el('span', { id: 'change' });
  const star = el('button', { type: 'button', id: 'watch', 'aria-pressed': 'false', onclick: () => flip() });
  const unknown = el('p', { class: 'empty', id: 'unknown', hidden: true });
  const rows = ['source', 'age', 'time', 'received', 'open', 'high', 'low', 'before', 'volume', 'amount'];
  const list = facts(rows.map((key) => [key, t(`quote.${key}`)]));
  const levels = book();
  const chart = intraday();
  let order = '';
  const watching = table({
    caption: t('watched'), columns: columns(), keyOf: (it) => it.symbol, empty: t('watch_nothing'),
    onOrder: (next) => refine({ sort: next }),
    rowClass: (it) => (it.symbol === symbol ? 'chosen' : null),
  });
  root.append(
    find.node,
    el('div', { class: 'quote' },
      el('div', { class: 'row' }, name, star),
      el('p', { class: 'headline' }, price, ' ', change),
      unknown,
      el('div', { class: 'columns' }, list.node, levels.node),
      chart.node),
    el('h2', {}, t('watched')),
    watching.node);

  let symbol = null;
  let day = null;
  let isOpen = true;
  let marked = recall('watch', []).filter((it) => typeof it === 'string').slice(0, MOST_WATCHED);

  const flip = () => {
    marked = marked.includes(symbol) ? marked.filter((it) => it !== symbol) : [...marked, symbol].slice(-MOST_WATCHED);
    keep('watch', marked);
    watch([symbol, ...marked]);
    update();
  };
  const askQuotes = async () => {
    const wanted = symbol;
    let words = '';
    try {
      const answer = await get(address('api/quotes', { symbols: [wanted, ...marked].join(',') }));
      if (isOpen) takeQuotes(answer?.quotes);
      if (answer?.unknown?.includes(wanted)) words = t('unknown_symbol', { symbol: wanted });
    } catch (error) {
      words = error.message;
    }
    if (wanted !== symbol) return;
    unknown.hidden = !words;
    text(unknown, words);
  };
  const askDay = async () => {
    const wanted = symbol;
    try {
      const answer = await get(address('api/quotes', { day: wanted }));
      if (isOpen && wanted === symbol) day = answer;
    } catch {
      if (wanted === symbol) day = null;
    }
    if (isOpen) update();
  };
  const show = (quote) => {
    const before = quote?.prev_close;
    const moved = quote?.price > 0 && before > 0 ? quote.price - before : null;
    text(name, quote?.name ? `${quote.name} ${symbol}` : symbol);
    text(price, format.price(quote?.price));
    text(change, moved === null ? '' : `${format.signed(moved)}  ${format.signed((moved / before) * 100)}%`);
    const way = moved > 0 ? 'up' : moved < 0 ? 'down' : 'same';
    attribute(price, 'class', `price ${way}`);
    attribute(change, 'class', way);
    list.update(values(quote));
    levels.update(quote);
  };
  const update = () => {
    const isMarked = marked.includes(symbol);
    text(star, isMarked ? `★ ${t('unwatch')}` : `☆ ${t('watch')}`);
    attribute(star, 'aria-pressed', String(isMarked));
    show(live.quotes.get(symbol));
    chart.update(day?.symbol === symbol ? day : null);
    watching.update(marked.map((it) => live.quotes.get(it) ?? { symbol: it }), order);
    tick();
  };
  const tick = () => {
    const quote = live.quotes.get(symbol);
    const shown = list.node.querySelector('#fact-age');
    if (quote) text(shown, format.age(ageOf(quote)));
  };
  const askAgain = () => {
    if (document.hidden) return;
    askDay();
    // otherwise the stream brings them
    if (live.connection !== 'open' || !live.quotes.has(symbol)) askQuotes();
  };
  const timers = [setInterval(tick, TICK_MS), setInterval(askAgain, DAY_MS)];
  return {
    filter(filters) {
      order = filters.sort ?? '';
      const next = (filters.symbol || FIRST).toUpperCase();
      if (next === symbol) return;
      symbol = next;
      day = null;
      document.title = `${symbol} · dataserver`;
      watch([symbol, ...marked]);
      askQuotes();
      askDay();
    },
    update,
    close() {
      isOpen = false;
      timers.forEach(clearInterval);
      find.close();
      watch([]);
    },
  };
}

/** Milliseconds since the host received a quote: its own measure, and what passed here since. */
function ageOf(quote) {
  return typeof quote.age_ms === 'number' ? quote.age_ms + Date.now() - quote.cameAt : null;
}

function values(quote) {
  if (!quote) return {};
  return {
    source: quote.source ?? '–',
    age: format.age(ageOf(quote)),
    time: format.exactTime(quote.time_us),
    received: quote.recv_time_us ? format.exactTime(quote.recv_time_us) : null,
    open: format.price(quote.open),
    high: format.price(quote.high),
    low: format.price(quote.low),
    before: format.price(quote.prev_close),
    volume: t('shares', { count: format.count(quote.volume) }),
    amount: t('yuan', { count: format.money(quote.amount) }),
  };
}

function columns() {
  const share = (it) => (it.price > 0 && it.prev_close > 0 ? (it.price / it.prev_close - 1) * 100 : null);
  return [
    { key: 'symbol', label: t('column.symbol'), value: (it) => it.symbol, build: () => {
      const anchor = el('a');
      return {
        node: anchor,
        update(it) {
          attribute(anchor, 'href', link('quotes', { symbol: it.symbol }));
          text(anchor, it.symbol);
        },
      };
    } },
    { key: 'name', label: t('column.name'), value: (it) => it.name ?? '', show: (value) => value },
    { key: 'price', number: true, label: t('column.price'), value: (it) => it.price ?? null, show: format.price },
    { key: 'change', number: true, label: t('column.change'), value: share, build: () => {
      const cell = el('span');
      return {
        node: cell,
        update(it) {
          const value = share(it);
          text(cell, value === null ? '–' : `${format.signed(value)}%`);
          attribute(cell, 'class', value > 0 ? 'up' : value < 0 ? 'down' : 'same');
        },
      };
    } },
    { key: 'volume', number: true, label: t('quote.volume'), value: (it) => it.volume ?? null, show: format.count },
    { key: 'source', label: t('quote.source'), value: (it) => it.source ?? '', show: (value) => value },
  ];
}
