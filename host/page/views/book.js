// Five levels of the book: the asks above, the bids below.

import { attribute, el, text } from '../dom.js';
import * as format from '../format.js';
import { t } from '../i18n.js';

const LEVELS = 5;

/** A table of the book; `update(quote)`. */
export function book() {
  const line = (side, level) => {
    const price = el('td', { class: 'number' });
    const volume = el('td', { class: 'number' });
    return { side, level, price, volume, node: el('tr', { class: side }, el('th', { scope: 'row' }, t(`book.${side}`, { level: level + 1 })), price, volume) };
  };
  const numbers = [...Array(LEVELS).keys()];
  const lines = [...[...numbers].reverse().map((level) => line('ask', level)), ...numbers.map((level) => line('bid', level))];
  const node = el('table', { class: 'book', id: 'book' }, el('caption', { class: 'unseen' }, t('book')), el('tbody', {}, ...lines.map((it) => it.node)));
  return {
    node,
    update(quote) {
      for (const it of lines) {
        const [price, volume] = quote?.[it.side]?.[it.level] ?? [null, null];
        text(it.price, format.price(price));
        text(it.volume, price > 0 || volume > 0 ? format.count(volume) : format.NONE);
        const before = quote?.prev_close;
        const way = price > 0 && before > 0 ? Math.sign(price - before) : 0;
        attribute(it.price, 'class', `number ${way > 0 ? 'up' : way < 0 ? 'down' : 'same'}`);
      }
    },
  };
}
