// Every view has an address of its own, with its filters: `#/quotes?symbol=000001.SZ`.

/** The view and the filters of an address. */
export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?');
  return { view: path, filters: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a view; empty filters are left out. */
export function link(view, filters = {}) {
  const given = Object.entries(filters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  return `#/${view}${query ? `?${query}` : ''}`;
}

/** Goes to a view. */
export function go(view, filters) {
  location.hash = link(view, filters);
}

/** Changes filters of the view that is open, without a step in the history. */
export function refine(changes) {
  const { view, filters } = parse(location.hash);
  const next = link(view, { ...filters, ...changes });
  if (next === location.hash) return;
  history.replaceState(null, '', next);
  dispatchEvent(new HashChangeEvent('hashchange'));
}
