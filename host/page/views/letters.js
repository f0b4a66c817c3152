// What a component refused, page by page, with the reason; and sending it again.

import { address, get, post } from '../api.js';
import { actionButton, confirm, note } from '../dialog.js';
import { el, text } from '../dom.js';
import * as format from '../format.js';
import { t } from '../i18n.js';
import { live } from '../live.js';
import { refine } from '../router.js';

const PAGE = 50;
const ASK_MS = 500;

/** Shows the letters of a component from a place on. */
export function letters(parent, id, after) {
  let isOpen = true;
  let shownFor = null;
  const heading = el('h2', {}, t('letters', { id }));
  const replay = actionButton(t('replay'), () => send());
  replay.node.id = 'replay';
  const progress = el('p', { id: 'progress', role: 'status' });
  const list = el('ol', { class: 'letters' });
  const pages = el('div', { class: 'buttons' });
  const failed = el('p', { class: 'bad' });
  parent.append(heading, el('div', { class: 'buttons' }, replay.node), progress, failed, list, pages);

  const ask = async () => {
    shownFor = countOf(id);
    try {
      const answer = await get(address(`api/dead-letter/${encodeURIComponent(id)}`, { after, limit: PAGE }));
      if (!isOpen) return;
      text(failed, '');
      show(answer);
    } catch (error) {
      text(failed, error.message);
    }
  };
  const show = ({ letters: found = [], next = null, total = null }) => {
    list.replaceChildren(...found.map(letter));
    text(heading, t('letters_of', { id, count: format.count(total) }));
    const to = (label, place) => el('button', { type: 'button', onclick: () => refine({ after: place || '' }) }, label);
    pages.replaceChildren(
      ...(after > 0 ? [to(t('first_page'), 0)] : []),
      ...(next === null ? [] : [to(t('next_page'), next)]));
    if (found.length === 0) list.replaceChildren(el('li', { class: 'empty' }, t('no_letters')));
  };
  const send = async () => {
    if (!(await confirm(t('replay_ask', { id }), t('replay_means', { id }), t('replay')))) return;
    const path = `api/dead-letter/${encodeURIComponent(id)}/replay`;
    let now = await post(path);
    while (isOpen && now?.state === 'running') {
      text(progress, t('replaying', numbers(now)));
      await new Promise((resolve) => { setTimeout(resolve, ASK_MS); });
      now = await get(path);
    }
    if (!isOpen) return;
    const words = now?.error ? `${t('replayed', numbers(now))} · ${now.error}` : t('replayed', numbers(now));
    text(progress, words);
    note(words, now?.error || now?.refused?.records > 0 ? 'warn' : 'ok');
    await ask();
  };
  ask();
  return {
    update() {
      const it = live.pipeline?.components.find((component) => component.id === id);
      replay.refuse(it && it.kind !== 'sink' ? t('only_sinks_replay') : null);
      // more were refused, or these were sent again
      if (shownFor !== countOf(id)) ask();
    },
    close() {
      isOpen = false;
    },
  };
}

function countOf(id) {
  return live.pipeline?.components.find((it) => it.id === id)?.dead_letters ?? null;
}

function numbers(progress) {
  return {
    sent: format.count(progress?.sent?.records),
    done: format.count((progress?.done?.records ?? 0) - (progress?.refused?.records ?? 0)),
    refused: format.count(progress?.refused?.records),
    kept: format.count(progress?.kept),
  };
}

function letter(it) {
  const fields = Object.entries(it.record ?? {}).map(([name, value]) =>
    el('div', {}, el('dt', {}, name), el('dd', {}, typeof value === 'object' ? JSON.stringify(value) : String(value))));
  return el('li', {},
    el('p', {},
      el('time', {}, format.time(it.time_us)), ' ',
      el('strong', {}, it.symbol ?? ''), ' ',
      el('span', { class: 'dim' }, it.records > 1 ? t('records_of', { count: it.records, kind: it.kind }) : it.kind ?? '')),
    el('p', { class: 'reason' }, it.reason ?? ''),
    fields.length ? el('details', {}, el('summary', {}, t('record')), el('dl', { class: 'facts' }, ...fields)) : null);
}
