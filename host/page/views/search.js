// Finds a security as one types: by code, name, or the initials of its name.

import { address, get } from '../api.js';
import { attribute, el, text } from '../dom.js';
import { t } from '../i18n.js';

const PAUSE_MS = 150;

/** A field with a list of what matches below it; `onChosen(symbol)`. */
export function search(onChosen) {
  const list = el('ul', { id: 'matches', role: 'listbox', 'aria-label': t('matches'), hidden: true });
  const field = el('input', {
    type: 'search',
    id: 'search',
    role: 'combobox',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: t('search_hint'),
    'aria-label': t('search'),
    'aria-controls': 'matches',
    'aria-expanded': 'false',
    'aria-autocomplete': 'list',
  });
  const nothing = el('p', { class: 'empty', role: 'status' });
  let matches = [];
  let at = -1;
  let timer = null;
  let asked = 0;

  const show = (found) => {
    matches = found;
    at = found.length ? 0 : -1;
    list.replaceChildren(...found.map((it, index) =>
      // the field must not lose the focus before the click comes
      el('li', { role: 'option', id: `match-${index}`, onpointerdown: (event) => event.preventDefault(), onclick: () => choose(it) },
        el('span', { class: 'symbol' }, it.symbol), ' ', it.name ?? '')));
    list.hidden = found.length === 0;
    attribute(field, 'aria-expanded', String(found.length > 0));
    mark();
  };
  const mark = () => {
    [...list.children].forEach((item, index) => attribute(item, 'aria-selected', String(index === at)));
    attribute(field, 'aria-activedescendant', at >= 0 ? `match-${at}` : null);
    list.children[at]?.scrollIntoView({ block: 'nearest' });
  };
  const choose = (it) => {
    field.value = '';
    show([]);
    text(nothing, '');
    onChosen(it.symbol);
  };
  const ask = async () => {
    const wanted = field.value.trim();
    const turn = (asked += 1);
    if (!wanted) {
      text(nothing, '');
      return show([]);
    }
    try {
      const found = await get(address('api/quotes', { q: wanted }));
      // an answer that was overtaken is of no use
      if (turn !== asked) return undefined;
      show((found?.matches ?? []).slice(0, 20));
      text(nothing, matches.length ? '' : t('no_match', { text: wanted }));
    } catch (error) {
      if (turn === asked) text(nothing, error.message);
    }
    return undefined;
  };
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  });
  field.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && matches.length) {
      event.preventDefault();
      at = (at + step + matches.length) % matches.length;
      mark();
    } else if (event.key === 'Enter' && matches[at]) {
      event.preventDefault();
      choose(matches[at]);
    } else if (event.key === 'Escape') {
      show([]);
    }
  });
  field.addEventListener('blur', () => show([]));
  return { node: el('div', { class: 'search' }, field, list, nothing), close: () => clearTimeout(timer) };
}
