// The page: its head with the views, the language and the colours; which view is open.

import { isLoggedIn, logOut } from './api.js';
import { banner } from './banner.js';
import { attribute, el, text } from './dom.js';
import { language, setLanguage, t } from './i18n.js';
import * as live from './live.js';
import * as login from './login.js';
import { keep, recall } from './prefs.js';
import { link, parse } from './router.js';
import * as days from './views/days.js';
import * as pipeline from './views/pipeline.js';
import * as quotes from './views/quotes.js';
import * as readers from './views/readers.js';
import * as stores from './views/stores.js';
import * as system from './views/system.js';

/** In the order of the head. A view is `open(root)`, which gives `{ filter(filters), update(), close() }`. */
const VIEWS = { pipeline, quotes, readers, stores, days, system };
const FIRST = 'pipeline';

let opened = null;
let tellHealth = () => {};

function head() {
  document.documentElement.lang = language() === 'zh' ? 'zh-CN' : 'en';
  const skip = document.getElementById('skip');
  text(skip, t('skip'));
  // an address of its own would be that of a view
  skip.onclick = (event) => {
    event.preventDefault();
    document.getElementById('view').focus();
  };
  const links = Object.keys(VIEWS).map((name) =>
    el('a', { href: link(name), id: `to-${name}`, class: 'view' }, t(`view.${name}`)));
  document.getElementById('top').replaceChildren(
    el('span', { class: 'brand' }, 'dataserver'),
    el('nav', { 'aria-label': t('views') }, ...links),
    el('span', { class: 'settings' },
      el('button', { type: 'button', class: 'plain', id: 'colours', title: t('colours.title'), onclick: flipColours }),
      el('button', { type: 'button', class: 'plain', id: 'language', lang: t('language.code'), onclick: flipLanguage },
        t('language.other')),
      isLoggedIn() ? el('button', { type: 'button', class: 'plain', id: 'log-out', onclick: leaveHost }, t('login.out')) : null));
  showColours();
  tellHealth = banner(document.getElementById('banner'));
}

async function leaveHost() {
  await logOut();
  location.reload();
}

/** Red is up in Chinese markets; who is used to the other way may have that. */
function flipColours() {
  keep('colours', recall('colours', 'red-up') === 'red-up' ? 'green-up' : 'red-up');
  showColours();
}

function showColours() {
  const chosen = recall('colours', 'red-up') === 'green-up' ? 'green-up' : 'red-up';
  attribute(document.documentElement, 'data-colours', chosen);
  text(document.getElementById('colours'), t(`colours.${chosen}`));
}

function flipLanguage() {
  setLanguage(language() === 'zh' ? 'en' : 'zh');
  head();
  leave();
  route();
  draw();
  document.getElementById('language').focus();
}

function leave() {
  opened?.view.close();
  opened = null;
}

function route() {
  const { view: asked, filters } = parse(location.hash);
  const name = Object.hasOwn(VIEWS, asked) ? asked : FIRST;
  const root = document.getElementById('view');
  if (opened?.name !== name) {
    leave();
    root.replaceChildren();
    attribute(root, 'aria-label', t(`view.${name}`));
    document.title = `${t(`view.${name}`)} · dataserver`;
    opened = { name, view: VIEWS[name].open(root) };
  }
  for (const other of Object.keys(VIEWS)) {
    attribute(document.getElementById(`to-${other}`), 'aria-current', other === name ? 'page' : null);
  }
  opened.view.filter(filters);
  draw();
}

function draw() {
  tellHealth();
  opened?.view.update();
}

head();
login.start(() => {
  head();
  leave();
  route();
});
live.onChange(draw);
live.start();
addEventListener('hashchange', route);
route();
