// The log, the plugins, and reloading with the plan shown first.

import { get } from '../api.js';
import { el, text } from '../dom.js';
import * as format from '../format.js';
import { named, t } from '../i18n.js';
import { live } from '../live.js';
import { refine } from '../router.js';
import { table } from '../table.js';
import { reloading } from './reload.js';

const MOST_LINES = 500;
const ASK_MS = 5_000;
const SOON_MS = 500;
const LEVELS = ['error', 'warn', 'info'];

/** Opens the view. */
export function open(root) {
  const reload = reloading();
  const level = el('select', { id: 'level', 'aria-label': t('column.level'), onchange: () => refine({ level: level.value }) },
    el('option', { value: '' }, t('any.level')),
    ...LEVELS.map((name) => el('option', { value: name }, t(`from.${name}`))));
  const component = el('input', {
    type: 'search', id: 'log-component', placeholder: t('column.component'), 'aria-label': t('column.component'),
    oninput: () => refine({ component: component.value }),
  });
  const words = el('input', {
    type: 'search', id: 'log-text', placeholder: t('filter'), 'aria-label': t('filter'),
    oninput: () => refine({ q: words.value }),
  });
  const list = el('ol', { class: 'log', id: 'log', tabindex: 0, 'aria-label': t('log') });
  const failed = el('p', { class: 'bad' });
  const plugins = table({ caption: t('plugins'), columns: columns(), keyOf: (it) => it.file, empty: t('asking'), rowClass: (it) => (it.problem ? 'is-failed' : null) });
  root.append(
    el('h1', {}, t('view.system')),
    reload.node,
    el('h2', {}, t('log')),
    el('div', { class: 'filters' }, level, component, words),
    failed, list,
    el('h2', {}, t('plugins')),
    plugins.node);

  let lines = [];
  let filters = {};
  let told = -1;
  let askedAt = 0;
  let drawn = '';
  let isOpen = true;
  const ask = async () => {
    told = live.told;
    askedAt = Date.now();
    try {
      const answer = await get(`api/log?limit=${MOST_LINES}`);
      lines = (answer?.lines ?? []).slice(-MOST_LINES);
      text(failed, '');
    } catch (error) {
      text(failed, error.message);
    }
    if (isOpen) draw();
  };
  const draw = () => {
    const some = passing(lines, filters);
    const next = JSON.stringify([some.length, some[0], some.at(-1)]);
    if (next === drawn) return;
    drawn = next;
    list.replaceChildren(...some.reverse().map(line));
    if (some.length === 0) list.replaceChildren(el('li', { class: 'empty' }, t('no_lines')));
  };
  const askPlugins = async () => {
    try {
      const found = await get('api/plugins');
      if (isOpen) plugins.update(Array.isArray(found) ? found : [], 'name');
    } catch (error) {
      if (isOpen) text(failed, error.message);
    }
  };
  ask();
  askPlugins();
  reload.onDone(askPlugins);
  return {
    filter(next) {
      filters = next;
      level.value = next.level ?? '';
      if (document.activeElement !== component) component.value = next.component ?? '';
      if (document.activeElement !== words) words.value = next.q ?? '';
      draw();
    },
    update() {
      const passed = Date.now() - askedAt;
      if (passed > ASK_MS || (told !== live.told && passed > SOON_MS)) ask();
      reload.update();
    },
    close() {
      isOpen = false;
    },
  };
}

/** The lines that pass the filters; a level lets worse ones pass too. */
export function passing(lines, { level = '', component = '', q = '' }) {
  const worst = LEVELS.indexOf(level);
  const wanted = q.toLowerCase();
  return lines.filter((it) =>
    (worst < 0 || (LEVELS.includes(it.level) && LEVELS.indexOf(it.level) <= worst)) &&
    (!component || it.component === component) &&
    (!wanted || String(it.text).toLowerCase().includes(wanted)));
}

function line(it) {
  return el('li', { class: it.level },
    el('time', {}, format.time(it.time_us)), ' ',
    el('span', { class: 'level' }, it.level), ' ',
    it.component ? el('strong', {}, it.component) : null, ' ',
    el('span', {}, it.text));
}

function columns() {
  return [
    { key: 'name', label: t('column.plugin'), value: (it) => it.name ?? it.file },
    { key: 'kinds', label: t('column.kind'), value: (it) => (it.kinds ?? []).map((kind) => named('kind', kind)).join(', ') },
    { key: 'version', label: t('column.version'), value: (it) => it.version ?? '' },
    { key: 'carrier', label: t('column.carrier'), value: (it) => it.carrier ?? '' },
    { key: 'sha256', label: 'sha256', value: (it) => it.sha256 ?? '', show: (hash) => String(hash).slice(0, 12), title: (it) => it.sha256 ?? '' },
    { key: 'description', label: t('column.description'), value: (it) => it.problem ?? it.warning ?? it.description ?? '', title: (it) => it.file },
  ];
}
