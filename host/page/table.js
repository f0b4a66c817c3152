// A table that is sorted by its headings and keeps its rows while their values change.

import { attribute, el, keyed, text } from './dom.js';

/**
 * Columns are `{ key, label, value(item), show?(value, item), title?(item), number?, build?() }`: `value`
 * is what rows are sorted by, `show` the words of it; `build` makes a cell of its own kind,
 * `{ node, update(item) }`. `order` is a column's key, with `-` in front for the largest first.
 */
export function table({ caption, columns, keyOf, empty, onOrder, rowClass }) {
  const heads = new Map();
  const head = el('tr');
  for (const column of columns) {
    const label = column.value && onOrder
      ? el('button', { type: 'button', class: 'plain', onclick: () => onOrder(flipped(column)) }, column.label)
      : el('span', {}, column.label);
    const cell = el('th', { scope: 'col', class: column.number ? 'number' : null }, label);
    heads.set(column.key, cell);
    head.append(cell);
  }
  let order = '';
  const flipped = (column) => {
    const first = column.number ? `-${column.key}` : column.key;
    const other = column.number ? column.key : `-${column.key}`;
    return order === first ? other : first;
  };
  const body = el('tbody');
  const nothing = el('p', { class: 'empty' }, empty ?? '');
  const grid = el('table', {}, el('caption', { class: 'unseen' }, caption), el('thead', {}, head), body);
  const node = el('div', { class: 'table' }, grid, nothing);

  const make = () => {
    const cells = columns.map((column) => {
      const own = column.build?.();
      return { own, node: el('td', { class: column.number ? 'number' : null }, own?.node) };
    });
    return { node: el('tr', {}, ...cells.map((cell) => cell.node)), cells };
  };
  const fill = (row, item) => {
    columns.forEach((column, at) => {
      const { own, node: cell } = row.cells[at];
      if (own) return own.update(item);
      const value = column.value(item);
      text(cell, column.show ? column.show(value, item) : value ?? '–');
      if (column.title) attribute(cell, 'title', column.title(item));
      return undefined;
    });
    if (rowClass) attribute(row.node, 'class', rowClass(item));
  };
  const update = (items, nextOrder = order) => {
    order = nextOrder ?? '';
    for (const [key, cell] of heads) {
      const sorted = order === key ? 'ascending' : order === `-${key}` ? 'descending' : null;
      attribute(cell, 'aria-sort', sorted);
    }
    keyed(body, sort(items, columns, order), keyOf, make, fill);
    grid.hidden = items.length === 0;
    nothing.hidden = items.length > 0;
  };
  return { node, update };
}

/** The items in an order; what has no value comes last either way. */
export function sort(items, columns, order) {
  const down = order.startsWith('-');
  const column = columns.find(({ key }) => key === order.replace(/^-/, ''));
  if (!column?.value) return items;
  const missing = (value) => value === null || value === undefined || value === '';
  return [...items].sort((a, b) => {
    const [one, other] = [column.value(a), column.value(b)];
    if (missing(one) || missing(other)) return missing(one) - missing(other);
    const by = typeof one === 'number' && typeof other === 'number'
      ? one - other
      : String(one).localeCompare(String(other), undefined, { numeric: true });
    return down ? -by : by;
  });
}

/** A list of names and values that keeps its elements. */
export function facts(rows) {
  const cells = new Map();
  const node = el('dl', { class: 'facts' });
  for (const [key, label] of rows) {
    const value = el('dd', { id: `fact-${key}` });
    const box = el('div', {}, el('dt', {}, label), value);
    cells.set(key, { box, value });
    node.append(box);
  }
  return {
    node,
    /** Shows those values; what is null or undefined is left out. */
    update(values) {
      for (const [key, { box, value }] of cells) {
        const next = values[key];
        box.hidden = next === null || next === undefined;
        if (!box.hidden) text(value, next);
      }
    },
  };
}
