// The pipeline as a drawing that lives: states, flow, queues, and who holds whom up.

import { attribute, el, svg, text } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { go, parse } from '../router.js';
import { HEIGHT, WIDTH, layout, path } from './layout.js';

const PAD = 12;
const BAR = WIDTH - 2 * PAD;

/** A drawing; `update(pipeline, chosen)` brings it up to date. */
export function graph() {
  const node = el('div', { class: 'graph', id: 'graph' });
  let shape = '';
  let nodes = new Map();
  let edges = [];

  const draw = (pipeline) => {
    const placed = layout(pipeline.components, pipeline.edges ?? []);
    edges = placed.edges.map((edge) => ({ ...edge, ...line(edge) }));
    nodes = new Map(pipeline.components.map((it) => [it.id, box(it, placed.nodes.get(it.id))]));
    node.replaceChildren(svg('svg', {
      width: placed.width,
      height: placed.height,
      viewBox: `0 0 ${placed.width} ${placed.height}`,
      role: 'group',
      'aria-label': t('graph'),
    }, ...edges.map((edge) => edge.group), ...[...nodes.values()].map((it) => it.group)));
  };
  return {
    node,
    update(pipeline, chosen) {
      const next = JSON.stringify([pipeline.components.map(({ id, kind }) => [id, kind]), pipeline.edges?.map(({ from, to }) => [from, to])]);
      if (next !== shape) {
        shape = next;
        draw(pipeline);
      }
      const byId = new Map(pipeline.components.map((it) => [it.id, it]));
      for (const it of pipeline.components) nodes.get(it.id)?.update(it, it.id === chosen);
      const rates = new Map((pipeline.edges ?? []).map(({ from, to, rate }) => [`${from} ${to}`, rate]));
      for (const edge of edges) {
        const isHeld = byId.get(edge.from)?.blocked_by === edge.to;
        edge.update(rates.get(`${edge.from} ${edge.to}`), isHeld);
      }
    },
  };
}

function line({ from, to, points }) {
  const stroke = svg('path', { d: path(points), class: 'edge' });
  const title = svg('title');
  const group = svg('g', {}, stroke, title);
  return {
    group,
    update(rate, isHeld) {
      const flow = rate ?? 0;
      // a hundred times the flow is a few pixels more
      attribute(stroke, 'stroke-width', (1.5 + 1.4 * Math.log10(1 + flow)).toFixed(1));
      attribute(stroke, 'class', `edge${flow > 0 ? ' flows' : ''}${isHeld ? ' held' : ''}`);
      text(title, `${from} → ${to}: ${t('per_second', { rate: format.rate(rate) })}`);
    },
  };
}

function box(component, { x, y }) {
  const { id, kind } = component;
  const choose = () => go('pipeline', { id: parse(location.hash).filters.id === id ? '' : id });
  const label = (properties) => svg('text', properties);
  const frame = svg('rect', { width: WIDTH, height: HEIGHT, rx: 8, class: 'frame' });
  const dot = svg('circle', { cx: PAD + 5, cy: 19, r: 5, class: 'dot' });
  const name = label({ x: PAD + 18, y: 24, class: 'name' });
  const state = label({ x: WIDTH - PAD, y: 24, class: 'state', 'text-anchor': 'end' });
  const flow = label({ x: PAD, y: 46 });
  const latency = label({ x: WIDTH - PAD, y: 46, 'text-anchor': 'end', class: 'dim' });
  const track = svg('rect', { x: PAD, y: 56, width: BAR, height: 6, rx: 3, class: 'track' });
  const fill = svg('rect', { x: PAD, y: 56, width: 0, height: 6, rx: 3, class: 'fill' });
  const queue = label({ x: PAD, y: 77, class: 'dim' });
  const trouble = label({ x: PAD, y: 95, class: 'trouble' });
  const title = svg('title');
  text(name, format.clip(id, 17));
  const group = svg('g', {
    transform: `translate(${x} ${y})`,
    tabindex: 0,
    role: 'button',
    class: 'node',
    'data-id': id,
    onclick: choose,
    onkeydown: (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      choose();
    },
  }, title, frame, dot, name, state, flow, latency, track, fill, queue, trouble);
  return {
    group,
    update(it, isChosen) {
      const shown = it.paused ? 'paused' : it.state;
      attribute(group, 'class', `node is-${shown}${it.blocked_by ? ' is-held' : ''}`);
      attribute(group, 'aria-pressed', String(isChosen));
      text(state, named('state', shown));
      text(flow, flowOf(it));
      text(latency, it.latency ? `p99 ${format.millis(it.latency.p99_ms)}` : '');
      attribute(track, 'visibility', it.queue ? 'visible' : 'hidden');
      attribute(fill, 'visibility', it.queue ? 'visible' : 'hidden');
      const full = Math.min(1, Math.max(0, it.queue?.fill ?? 0));
      attribute(fill, 'width', (BAR * full).toFixed(1));
      attribute(fill, 'class', full >= 0.8 ? 'fill high' : 'fill');
      text(queue, it.queue ? queueOf(it.queue) : '');
      const words = troubleOf(it);
      text(trouble, format.clip(words, 36));
      const all = [`${id} · ${named('kind', kind)} · ${it.plugin} · ${named('state', shown)}`, flowOf(it), it.queue ? queueOf(it.queue) : '', words];
      text(title, all.filter(Boolean).join('\n'));
      attribute(group, 'aria-label', all.filter(Boolean).join(', '));
    },
  };
}

function flowOf(it) {
  const given = t('out', { rate: format.rate(it.rate?.out) });
  return it.kind === 'source' ? given : `${t('in', { rate: format.rate(it.rate?.in) })}  ${given}`;
}

function queueOf(queue) {
  return t(`queue.${queue.kind === 'disk' ? 'disk' : 'memory'}`, {
    share: format.percent(queue.fill),
    records: format.count(queue.records),
  });
}

/** What is wrong with a component, in a few words; the worst first. */
export function troubleOf(it) {
  const dropped = it.rate?.dropped ?? 0;
  return [
    it.blocked_by ? t('held_by', { id: it.blocked_by }) : '',
    dropped > 0 ? t('drops', { rate: format.rate(dropped) }) : '',
    (it.rate?.errors ?? 0) > 0 ? t('fails', { rate: format.rate(it.rate.errors) }) : '',
    (it.dead_letters ?? 0) > 0 ? t('refused', { count: format.count(it.dead_letters) }) : '',
    dropped === 0 && (it.dropped ?? 0) > 0 ? t('dropped', { count: format.count(it.dropped) }) : '',
    (it.errors ?? 0) > 0 ? t('errors', { count: format.count(it.errors) }) : '',
  ].filter(Boolean).join(' · ');
}
