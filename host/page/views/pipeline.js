// The view of the pipeline: the drawing, all components in a table, and one of them in full.

import { el } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { live } from '../live.js';
import { link, refine } from '../router.js';
import { table } from '../table.js';
import { panel } from './component.js';
import { graph } from './graph.js';

/** Opens the view. */
export function open(root) {
  const drawing = graph();
  const list = table({
    caption: t('components'),
    keyOf: (it) => it.id,
    onOrder: (order) => refine({ sort: order }),
    rowClass: (it) => `is-${it.paused ? 'paused' : it.state}`,
    columns: columns(),
  });
  const side = el('div');
  root.append(
    el('h1', { class: 'unseen' }, t('view.pipeline')),
    drawing.node,
    el('details', { class: 'more', open: true }, el('summary', {}, t('components')), list.node),
    side);
  let chosen = null;
  let opened = null;
  let order = '';
  const choose = (id) => {
    if (id === chosen) return;
    opened?.close();
    chosen = id;
    opened = id ? panel(side, id) : null;
  };
  return {
    filter(filters) {
      order = filters.sort ?? '';
      choose(filters.id ?? null);
    },
    update() {
      if (!live.pipeline) return;
      drawing.update(live.pipeline, chosen);
      list.update(live.pipeline.components, order);
      opened?.update();
    },
    close() {
      opened?.close();
    },
  };
}

function columns() {
  const rate = (key) => ({
    key, number: true, label: t(`column.${key}`), value: (it) => it.rate?.[key.replace('_s', '')] ?? null, show: format.rate,
  });
  return [
    { key: 'id', label: t('column.component'), value: (it) => it.id, build: () => {
      const anchor = el('a');
      return {
        node: anchor,
        update(it) {
          anchor.href = link('pipeline', { id: it.id });
          if (anchor.textContent !== it.id) anchor.textContent = it.id;
        },
      };
    } },
    { key: 'kind', label: t('column.kind'), value: (it) => it.kind, show: (kind) => named('kind', kind) },
    { key: 'plugin', label: t('column.plugin'), value: (it) => it.plugin },
    { key: 'state', label: t('column.state'), value: (it) => (it.paused ? 'paused' : it.state), show: (state) => named('state', state) },
    rate('in_s'),
    rate('out_s'),
    { key: 'dropped', number: true, label: t('column.dropped'), value: (it) => it.dropped ?? null, show: format.count },
    { key: 'errors', number: true, label: t('column.errors'), value: (it) => it.errors ?? null, show: format.count },
    { key: 'queue', number: true, label: t('column.queue'), value: (it) => it.queue?.fill ?? null, show: format.percent },
    { key: 'p99', number: true, label: 'p99', value: (it) => it.latency?.p99_ms ?? null, show: format.millis },
    { key: 'cpu', number: true, label: 'CPU', value: (it) => it.cpu ?? null, show: format.percent },
    { key: 'held', label: t('column.held'), value: (it) => it.blocked_by ?? '', show: (id) => id || '' },
  ];
}
