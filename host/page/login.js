// Asks for the token when the host wants one. It is kept in a cookie that no script can read.

import { logIn, onLocked } from './api.js';
import { open } from './dialog.js';
import { el, text } from './dom.js';
import { t } from './i18n.js';
import { wake } from './live.js';

let isOpen = false;

/** Has the host's refusal lead to the question. */
export function start(onEntered) {
  onLocked(async () => {
    if (isOpen) return;
    isOpen = true;
    const entered = await open(t('login.title'), (close) => form(close));
    isOpen = false;
    if (!entered) return;
    wake();
    onEntered();
  });
}

function form(close) {
  const token = el('input', {
    type: 'password', id: 'token', name: 'token', autocomplete: 'current-password', required: true, autofocus: true,
  });
  const wrong = el('p', { class: 'bad', role: 'alert' });
  const enter = async (event) => {
    event.preventDefault();
    try {
      await logIn(token.value);
      token.value = '';
      close(true);
    } catch (error) {
      text(wrong, error.code === 401 ? t('login.wrong') : error.message);
      token.select();
    }
  };
  return el('form', { onsubmit: enter },
    el('p', {}, t('login.words')),
    el('label', { for: 'token' }, t('login.token')),
    token,
    wrong,
    el('div', { class: 'buttons' }, el('button', { class: 'primary', id: 'enter' }, t('login.enter'))));
}
