// One component in full: what it does, its options, its last errors, pause and resume.

import { get, post } from '../api.js';
import { actionButton, confirm, note } from '../dialog.js';
import { attribute, el, keyed, text } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { live, takePipeline } from '../live.js';
import { go, link } from '../router.js';
import { facts } from '../table.js';
import { troubleOf } from './graph.js';

const MOST_LINES = 10;
const ASK_MS = 2_000;

/** Opens the panel of a component at the edge of the page. */
export function panel(parent, id) {
  const rows = ['state', 'error', 'trouble', 'flow', 'totals', 'dropped', 'errors', 'queue', 'latency', 'commit', 'letters', 'restarts', 'damage', 'cpu', 'plugin', 'file'];
  const list = facts(rows.map((key) => [key, t(`fact.${key}`)]));
  const options = el('tbody');
  const lines = el('ul', { class: 'lines' });
  const heading = el('h2', { tabindex: -1 }, id);
  const pause = actionButton(t('pause'), () => flip(id));
  attribute(pause.node, 'id', 'pause');
  const leave = () => {
    go('pipeline');
    document.querySelector(`.node[data-id="${CSS.escape(id)}"]`)?.focus();
  };
  const node = el('aside', { class: 'panel', id: 'panel', 'aria-label': t('panel', { id }) },
    el('div', { class: 'row' }, heading, el('button', { type: 'button', class: 'plain', 'aria-label': t('close'), onclick: leave }, '×')),
    el('div', { class: 'buttons' },
      pause.node,
      el('a', { href: link('system', { component: id }) }, t('its_log')),
      el('a', { href: link('stores', { id }) }, t('its_letters'))),
    list.node,
    el('h3', {}, t('options')),
    el('table', { class: 'options' }, options),
    el('h3', {}, t('last_errors')),
    lines);
  const onKey = (event) => {
    if (event.key === 'Escape' && !document.querySelector('dialog[open]')) leave();
  };
  addEventListener('keydown', onKey);
  parent.append(node);
  heading.focus();

  let full = null;
  let told = -1;
  let askedAt = 0;
  let isOpen = true;
  const ask = async () => {
    told = live.told;
    askedAt = Date.now();
    try {
      const [pipeline, log] = await Promise.all([get('api/pipeline'), get('api/log?limit=500')]);
      if (!isOpen) return;
      full = pipeline.components.find((it) => it.id === id) ?? null;
      showOptions(options, full?.options);
      const own = (log?.lines ?? []).filter((line) => line.component === id && line.level !== 'info');
      showLines(lines, own.slice(-MOST_LINES).reverse());
      takePipeline(pipeline);
    } catch {
      // the banner says it
    }
  };
  ask();
  return {
    update() {
      if (told !== live.told && Date.now() - askedAt > ASK_MS) ask();
      const it = live.pipeline?.components.find((component) => component.id === id);
      if (!it) return list.update({ state: t('gone') });
      pause.rename(t(it.paused ? 'resume' : 'pause'));
      pause.refuse(it.state === 'ended' ? t('ended_cannot_pause') : null);
      return list.update(values(it, full));
    },
    close() {
      isOpen = false;
      removeEventListener('keydown', onKey);
      node.remove();
    },
  };
}

function values(it, full) {
  const file = full?.plugin_file;
  const by = (counts) => {
    const given = Object.entries(counts ?? {}).filter(([, number]) => number > 0);
    return given.length ? given.map(([reason, number]) => `${named('reason', reason)} ${format.count(number)}`).join(', ') : null;
  };
  const at = (us) => (us ? format.time(us) : null);
  return {
    state: `${named('state', it.paused ? 'paused' : it.state)}${it.since_us ? ` · ${t('since_time', { time: format.time(it.since_us) })}` : ''}`,
    error: it.last_error ? `${it.last_error}${it.last_error_us ? ` (${format.time(it.last_error_us)})` : ''}` : null,
    trouble: troubleOf(it) || null,
    flow: t('flow', { in: format.rate(it.rate?.in), out: format.rate(it.rate?.out) }),
    totals: t('totals', { in: format.count(it.records_in), out: format.count(it.records_out) }),
    dropped: by(it.dropped_by) ?? format.count(it.dropped),
    errors: by(it.errors_by) ?? format.count(it.errors),
    queue: it.queue ? queue(it.queue) : null,
    latency: it.latency ? t('latency', { p50: format.millis(it.latency.p50_ms), p99: format.millis(it.latency.p99_ms), max: format.millis(it.latency.max_ms) }) : null,
    commit: at(it.last_commit_us),
    letters: it.dead_letters > 0 ? format.count(it.dead_letters) : null,
    restarts: it.restarts > 0 ? format.count(it.restarts) : null,
    damage: it.damage ? JSON.stringify(it.damage) : null,
    cpu: format.percent(it.cpu),
    plugin: `${it.plugin}${file ? ` ${file.version} · ${file.carrier}` : ''}`,
    file: file?.sha256 ?? null,
  };
}

function queue(it) {
  return t('queue_in_full', {
    kind: named('queue_kind', it.kind),
    share: format.percent(it.fill),
    records: format.count(it.records),
    bytes: format.bytes(it.bytes),
    limit: format.bytes(it.limit_bytes),
    rule: it.when_full ?? '–',
  });
}

function showOptions(body, options) {
  const rows = Object.entries(options ?? {});
  keyed(body, rows, ([name]) => name, () => {
    const [name, value] = [el('th', { scope: 'row' }), el('td')];
    return { node: el('tr', {}, name, value), name, value };
  }, (row, [name, value]) => {
    text(row.name, name);
    text(row.value, typeof value === 'string' ? value : JSON.stringify(value));
  });
}

function showLines(list, lines) {
  list.replaceChildren(...(lines.length
    ? lines.map((line) => el('li', { class: line.level }, el('time', {}, format.time(line.time_us)), ' ', line.text))
    : [el('li', { class: 'empty' }, t('no_errors'))]));
}

async function flip(id) {
  const it = live.pipeline?.components.find((component) => component.id === id);
  const verb = it?.paused ? 'resume' : 'pause';
  const consequence = verb === 'resume' ? 'resume_means' : `pause_means.${it?.kind ?? 'source'}`;
  if (!(await confirm(t(`${verb}_ask`, { id }), t(consequence, { id }), t(verb)))) return;
  await post(`api/components/${encodeURIComponent(id)}/${verb}`);
  note(t(`${verb}_done`, { id }));
  takePipeline(await get('api/pipeline'));
}
