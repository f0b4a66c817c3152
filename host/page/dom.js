// Builds elements. What comes from elsewhere is set as text and never read as markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element; `on…` are listeners, other properties attributes, null and false leave one out. */
export function el(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An element of a drawing. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else attribute(node, name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets an attribute or, with null or false, removes it; touches nothing when it is so already. */
export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const next = value === true ? '' : String(value);
  if (node.getAttribute(name) !== next) node.setAttribute(name, next);
}

/** Sets the text of an element when it is another one. */
export function text(node, value) {
  const next = String(value);
  if (node.textContent !== next) node.textContent = next;
}

const known = new WeakMap();

/**
 * Makes the children of an element those of a list. An item that was there keeps its element, and with
 * it the focus. `make(item)` gives `{ node, … }`, `update(row, item)` brings it up to date.
 */
export function keyed(parent, items, keyOf, make, update) {
  const rows = known.get(parent) ?? new Map();
  known.set(parent, rows);
  const keys = new Set(items.map(keyOf));
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    row.node.remove();
    rows.delete(key);
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let row = rows.get(key);
    if (!row) {
      row = make(item);
      rows.set(key, row);
    }
    update(row, item);
    if (row.node === place) place = place.nextElementSibling;
    else parent.insertBefore(row.node, place);
  }
}
