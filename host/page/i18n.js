// The words of the page, in Chinese and English.

import en from './en.js';
import zh from './zh.js';
import { keep, recall } from './prefs.js';

const WORDS = { en, zh };

let current = recall('language', null);
if (!(current in WORDS)) current = navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';

/** `zh` or `en`. */
export function language() {
  return current;
}

/** Chooses a language and remembers it. */
export function setLanguage(next) {
  current = next in WORDS ? next : 'en';
  keep('language', current);
}

/** The words of a key, with `{name}` filled in. */
export function t(key, values) {
  const words = WORDS[current][key];
  if (words === undefined) return key;
  return words.replace(/\{(\w+)\}/g, (hole, name) => values?.[name] ?? hole);
}

/** The words of a key of a group, e.g. a state; what the page does not know stays as the host says it. */
export function named(group, name) {
  const key = `${group}.${name}`;
  return key in WORDS[current] ? t(key) : String(name ?? '–');
}
