// An action on a reader: what it would change is shown before it is asked for, once.

import { post } from '../api.js';
import { note, open } from '../dialog.js';
import { el, keyed, text } from '../dom.js';
import { t } from '../i18n.js';

/** What each action is told besides its name: the field, its default, how it is read. */
const FIELDS = {
  claim: [
    { name: 'to', options: (reader, readers) => [...others(reader, readers), ''] },
    { name: 'min_idle', value: () => '0s' },
  ],
  ack: [{ name: 'entries', value: () => '', read: (words) => words.split(/[\s,]+/).filter(Boolean) }],
  set_position: [{ name: 'to', value: () => '$' }],
};

/** Shows what the action would do, and does it when that is confirmed. */
export async function act(reader, action, readers) {
  const path = `api/readers/${encodeURIComponent(reader.id)}`;
  const name = [reader.group, reader.name || reader.address || reader.id].filter(Boolean).join(' / ');
  const isDone = await open(t(`ask.${action}`, { name }), (close) => form(path, action, FIELDS[action] ?? [], reader, readers, close));
  if (isDone) note(t(`done.${action}`, { name }));
}

function form(path, action, fields, reader, readers, close) {
  const inputs = fields.map((field) => ({ ...field, input: input(field, reader, readers) }));
  const body = (preview) => {
    const given = { action, preview };
    // what is left empty is left to the host
    for (const { name, read, input: it } of inputs) if (it.value) given[name] = read ? read(it.value) : it.value;
    return given;
  };
  const changes = el('tbody');
  const table = el('table', { class: 'changes', id: 'changes', hidden: true },
    el('thead', {}, el('tr', {}, el('th'), el('th', { scope: 'col' }, t('before')), el('th', { scope: 'col' }, t('after')))),
    changes);
  const wrong = el('p', { class: 'bad', role: 'alert' });
  const confirm = el('button', { type: 'button', class: 'primary', id: 'confirm', disabled: true }, t(`action.${action}`));

  let turn = 0;
  const ask = async (preview) => {
    const own = (turn += 1);
    text(wrong, '');
    confirm.disabled = true;
    try {
      const outcome = await post(path, body(preview));
      if (!preview && outcome?.done !== false) return close(true);
      // what is asked for was changed meanwhile
      if (own !== turn) return undefined;
      show(changes, outcome?.before, outcome?.after);
      table.hidden = false;
      confirm.disabled = false;
    } catch (error) {
      table.hidden = true;
      text(wrong, error.message);
    }
    return undefined;
  };
  confirm.addEventListener('click', () => ask(false));
  const changed = () => {
    turn += 1;
    confirm.disabled = true;
  };
  for (const { input: it } of inputs) it.addEventListener('input', changed);
  const look = el('button', { id: 'preview' }, t('preview'));
  const node = el('form', { onsubmit: (event) => { event.preventDefault(); ask(true); } },
    ...inputs.map(({ name, input: it }) => el('p', {}, el('label', { for: it.id }, t(`field.${action}.${name}`)), it)),
    table, wrong,
    el('div', { class: 'buttons' },
      el('button', { type: 'button', onclick: () => close(null) }, t('cancel')),
      inputs.length ? look : null,
      confirm));
  if (inputs.length === 0 || action === 'claim') ask(true);
  return node;
}

function input({ name, options, value }, reader, readers) {
  const id = `field-${name}`;
  if (!options) return el('input', { id, name, value: value(), required: true, autocomplete: 'off' });
  return el('select', { id, name }, ...options(reader, readers).map((it) => el('option', { value: it }, it || t('whoever'))));
}

/** Who else reads in the same group; who has gone comes last. */
function others(reader, readers) {
  const isGone = (it) => it.state === 'gone';
  const sorted = [...readers].sort((a, b) => isGone(a) - isGone(b));
  const same = sorted.filter((it) => it.component === reader.component && it.group === reader.group && it.id !== reader.id);
  return [...new Set(same.map((it) => it.name).filter(Boolean))];
}

/** Every value before and after; what differs stands out. */
function show(body, before, after) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const words = (value) => (value === undefined || value === null ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value));
  keyed(body, names, (name) => name, (name) => {
    const cells = [el('td'), el('td')];
    return { node: el('tr', {}, el('th', { scope: 'row' }, name), ...cells), cells };
  }, (row, name) => {
    const values = [words(before?.[name]), words(after?.[name])];
    row.cells.forEach((cell, at) => text(cell, values[at]));
    row.node.className = values[0] === values[1] ? '' : 'differs';
  });
}
