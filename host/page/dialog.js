// Questions, notes, and buttons that say why they do nothing.

import { el, text } from './dom.js';
import { t } from './i18n.js';
import { live } from './live.js';

const NOTE_MS = 10_000;
const MOST_NOTES = 3;

/**
 * Opens a dialog over the page. `build(close)` gives its content; the promise has what `close` was
 * called with, `null` when the dialog was left.
 */
export function open(title, build) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const box = el('dialog', { 'aria-labelledby': 'dialog-title' });
    let result = null;
    const close = (value) => {
      result = value;
      box.close();
    };
    box.append(el('h2', { id: 'dialog-title' }, title), build(close));
    box.addEventListener('close', () => {
      box.remove();
      if (before?.isConnected) before.focus();
      resolve(result);
    });
    document.body.append(box);
    box.showModal();
  });
}

/** Asks once whether something is to be done. */
export async function confirm(title, words, action) {
  const answer = await open(title, (close) =>
    el('div', {},
      el('p', { class: 'words' }, words),
      el('div', { class: 'buttons' },
        el('button', { type: 'button', onclick: () => close(null) }, t('cancel')),
        el('button', { type: 'button', class: 'primary', id: 'confirm', onclick: () => close(true) }, action))));
  return answer === true;
}

/** Tells something at the edge of the page for some seconds. */
export function note(words, kind = 'ok') {
  const notes = document.getElementById('notes');
  const close = () => box.remove();
  const box = el('p', { class: `note ${kind}` },
    el('span', {}, words),
    el('button', { type: 'button', class: 'plain', 'aria-label': t('close'), onclick: close }, '×'));
  notes.append(box);
  while (notes.childElementCount > MOST_NOTES) notes.firstElementChild.remove();
  setTimeout(close, NOTE_MS);
}

/** A button that, when it cannot act, stays there to be asked and says why. */
export function actionButton(words, act) {
  const button = el('button', { type: 'button' }, words);
  let reason = null;
  button.addEventListener('click', async () => {
    if (reason) return note(reason, 'warn');
    if (button.ariaBusy === 'true') return undefined;
    button.ariaBusy = 'true';
    try {
      await act();
    } catch (error) {
      note(error.message, 'bad');
    }
    button.ariaBusy = 'false';
    return undefined;
  });
  const refuse = (why) => {
    const next = live.pipeline?.read_only ? t('read_only') : why || null;
    if (next === reason) return;
    reason = next;
    button.title = reason ?? '';
    if (reason) button.setAttribute('aria-disabled', 'true');
    else button.removeAttribute('aria-disabled');
  };
  refuse(null);
  return { node: button, refuse, rename: (next) => text(button, next) };
}
