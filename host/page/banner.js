// Answers at the top of every view whether all is well and, if not, what is wrong since when.

import { attribute, el, keyed, text } from './dom.js';
import * as format from './format.js';
import { Memory, judge } from './health.js';
import { t } from './i18n.js';
import { live } from './live.js';
import { link } from './router.js';

const MOST = 6;
/** What was seen before a change of the language was seen all the same. */
const memory = new Memory();

/** Fills the section; gives the function that brings it up to date. */
export function banner(section) {
  const headline = el('strong', { id: 'headline', role: 'status' });
  const detail = el('span', { id: 'detail' });
  const list = el('ul', { id: 'problems' });
  section.replaceChildren(el('p', {}, headline, ' ', detail), list);

  const make = () => {
    const mark = el('span', { 'aria-hidden': 'true' });
    const words = el('a');
    const since = el('span', { class: 'since' });
    return { node: el('li', {}, mark, ' ', words, ' ', since), mark, words, since };
  };
  const fill = (row, it) => {
    attribute(row.node, 'class', it.level);
    text(row.mark, { bad: '✖', warn: '▲', note: '•' }[it.level]);
    text(row.words, words(it));
    attribute(row.words, 'href', address(it));
    text(row.since, since(it.sinceMs));
  };
  return () => {
    if (isAway()) {
      attribute(section, 'class', live.pipeline ? 'banner bad' : 'banner');
      text(headline, t(`connection.${live.connection}`));
      text(detail, [since(live.since), live.reason].filter(Boolean).join(' · '));
      list.hidden = true;
      return;
    }
    const found = memory.keep(judge(live.pipeline), Date.now());
    const troubles = found.filter((it) => it.level !== 'note');
    const worst = found[0]?.level ?? 'note';
    const level = troubles.length > 0 ? worst : live.pipeline.status === 'starting' ? 'note' : 'ok';
    attribute(section, 'class', `banner ${level}`);
    if (level === 'ok') text(headline, t('all_well'));
    else if (level === 'note') text(headline, t('starting'));
    else text(headline, t(troubles.length === 1 ? 'one_trouble' : 'troubles', { count: troubles.length }));
    text(detail, summary());
    list.hidden = found.length === 0;
    keyed(list, found.slice(0, MOST), (it) => `${it.key} ${it.id}`, make, fill);
  };
}

function isAway() {
  return !live.pipeline || live.connection === 'lost' || live.connection === 'locked';
}

function summary() {
  const { components, started_us: startedUs, now_us: nowUs, read_only: readOnly } = live.pipeline;
  const sources = components.filter((it) => it.kind === 'source');
  const rate = sources.reduce((sum, it) => sum + (it.rate?.out ?? 0), 0);
  return [
    t('summary', { count: components.length, rate: format.rate(rate) }),
    startedUs ? t('up', { duration: format.duration((nowUs - startedUs) / 1e6, false) }) : '',
    readOnly ? t('read_only_short') : '',
    live.connection === 'asking' ? t('connection.asking') : '',
  ].filter(Boolean).join(' · ');
}

function words(it) {
  const values = { ...it.values };
  if ('rate' in values) values.rate = format.rate(values.rate);
  if (values.error) values.error = format.clip(values.error, 160);
  return t(it.key, values).replace(/[：:]\s*$/, '');
}

function address(it) {
  if (it.key === 'problem.letters') return link('stores', { id: it.id });
  return it.id ? link('pipeline', { id: it.id }) : link('system');
}

function since(ms) {
  const passed = (Date.now() - ms) / 1000;
  return t('since', { time: format.time(ms * 1000), duration: format.duration(passed, false) });
}
