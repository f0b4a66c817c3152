// Asks the host. Addresses count from the page's own, so that it also works below a path.

import { keep, recall } from './prefs.js';

const GET_MS = 30_000;
/** A reload waits for what drains. */
const POST_MS = 300_000;

/** Why there is no answer: the status code, 0 when nobody answered, and the host's own words. */
export class Refused extends Error {
  constructor(code, words) {
    super(words);
    this.code = code;
  }
}

const KEY = 'X-Dataserver-Key';

let askForToken = () => {};
// of this login, kept with the address and the port of this page: a cookie goes to all ports
let key = recall('key', '');

/** Says what to do when the host wants its token. */
export function onLocked(listener) {
  askForToken = listener;
}

/** The answer to a GET. */
export function get(path) {
  return ask(path, { method: 'GET' }, GET_MS);
}

/** The answer to a POST, with a body as JSON when there is one. */
export function post(path, body) {
  const options = { method: 'POST', headers: {} };
  if (key) options.headers[KEY] = key;
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  return ask(path, options, POST_MS);
}

/** Shows the host its token; from then on this page may ask and act. */
export async function logIn(token) {
  setKey((await post('api/login', { token }))?.key ?? '');
}

/** Ends that. */
export async function logOut() {
  await post('api/logout');
  setKey('');
}

/** Whether somebody logged in here. */
export function isLoggedIn() {
  return key !== '';
}

function setKey(next) {
  key = next;
  keep('key', next);
}

/** An address with a query; what is empty is left out. */
export function address(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, value);
  }
  const given = search.toString();
  return given ? `${path}?${given}` : path;
}

async function ask(path, options, limitMs) {
  let answer;
  let words;
  try {
    answer = await fetch(path, {
      ...options,
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(limitMs),
    });
    words = await answer.text();
  } catch (error) {
    throw new Refused(0, String(error?.message ?? error));
  }
  const parsed = parse(words);
  if (answer.ok) return parsed;
  if (answer.status === 401 && path !== 'api/login') askForToken();
  // a reload that went wrong tells that in an answer of its usual form
  if (parsed && typeof parsed === 'object' && !('error' in parsed)) return parsed;
  throw new Refused(answer.status, parsed?.error ?? (words.slice(0, 500) || `HTTP ${answer.status}`));
}

function parse(words) {
  try {
    return JSON.parse(words);
  } catch {
    return null;
  }
}
