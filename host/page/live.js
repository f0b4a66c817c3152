// What the host tells as it happens, and what is done when it stops telling.
//
// There is one stream. It is closed while nobody sees the page: a browser has six connections to a
// host, and a page that is left open for months must cost nothing. A stream that is silent although
// the host tells its state each second is dead, e.g. after the machine slept; it is opened anew.

import { Refused, address, get } from './api.js';

const SILENT_MS = 12_000;
const CHECK_MS = 2_000;
const HIDDEN_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
const ASKING_MS = 5_000;
const MOST_QUOTES = 200;
const EVENTS = ['pipeline', 'quotes', 'log', 'reload', 'component', 'missed'];

/** The newest that is known. */
export const live = {
  /** As `/api/pipeline`, and when it came by this browser's clock. */
  pipeline: null,
  pipelineAt: 0,
  /** `connecting`, `open`, `asking` (no stream, but answers), `lost`, `locked`. */
  connection: 'connecting',
  since: Date.now(),
  reason: '',
  /** Newest quotes of what is watched, each with the time at which it came. */
  quotes: new Map(),
  /** Lines of the log, reloads and changes of state that were told: who shows the log asks again. */
  told: 0,
  missed: 0,
};

const listeners = new Set();
let stream = null;
let watched = [];
let lastEvent = 0;
let retry = 0;
let timer = null;
let hiding = null;
let drawing = false;

/** Has a function called before the next frame whenever something changed; gives its end. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Tells the listeners, once a frame. */
export function changed() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    for (const listener of [...listeners]) listener();
  });
}

/** Starts. */
export function start() {
  document.addEventListener('visibilitychange', look);
  addEventListener('online', wake);
  addEventListener('pageshow', wake);
  addEventListener('pagehide', close);
  setInterval(check, CHECK_MS);
  connect();
}

/** Chooses the securities of which quotes come. */
export function watch(symbols) {
  const next = [...new Set(symbols)].sort();
  if (next.join() === watched.join()) return;
  watched = next;
  for (const symbol of live.quotes.keys()) {
    if (!next.includes(symbol)) live.quotes.delete(symbol);
  }
  if (stream) connect();
}

/** Tries at once, e.g. after a login. */
export function wake() {
  if (document.hidden) return;
  clearTimeout(hiding);
  if (stream && Date.now() - lastEvent < CHECK_MS * 2) return;
  retry = 0;
  connect();
}

/** Takes in quotes, however they came. */
export function takeQuotes(quotes) {
  for (const quote of quotes ?? []) {
    if (!quote?.symbol) continue;
    live.quotes.delete(quote.symbol);
    live.quotes.set(quote.symbol, { ...quote, cameAt: Date.now() });
  }
  while (live.quotes.size > MOST_QUOTES) live.quotes.delete(live.quotes.keys().next().value);
  changed();
}

function look() {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(close, HIDDEN_MS);
  else wake();
}

function close() {
  clearTimeout(timer);
  stream?.close();
  stream = null;
}

function connect() {
  close();
  const source = new EventSource(address('api/events', { watch: watched.join(',') }));
  stream = source;
  lastEvent = Date.now();
  source.onopen = () => heard();
  source.onerror = () => {
    // the browser's own retry knows neither a pause that grows nor a login
    if (stream === source) lose();
  };
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => {
      if (stream !== source) return;
      heard();
      take(name, event.data);
    });
  }
}

function heard() {
  lastEvent = Date.now();
  retry = 0;
  enter('open', '');
}

function enter(connection, reason) {
  if (live.connection !== connection) live.since = Date.now();
  live.connection = connection;
  live.reason = reason;
  changed();
}

function take(name, data) {
  let event;
  try {
    event = JSON.parse(data);
  } catch {
    return;
  }
  if (name === 'pipeline') takePipeline(event);
  else if (name === 'quotes') takeQuotes(event.quotes);
  else if (name === 'missed') live.missed += event.events ?? 0;
  else live.told += 1;
  changed();
}

/** Takes in a state of the pipeline, which in the stream lacks options and plugin files. */
export function takePipeline(pipeline) {
  if (!Array.isArray(pipeline?.components)) return;
  live.pipeline = pipeline;
  live.pipelineAt = Date.now();
  changed();
}

/** The stream is gone: asks why, and for what it would have told, and tries again after a pause. */
async function lose() {
  close();
  if (document.hidden) return;
  const longest = live.connection === 'asking' ? ASKING_MS : LAST_RETRY_MS;
  const pause = Math.min(FIRST_RETRY_MS * 2 ** retry, longest);
  retry = Math.min(retry + 1, 10);
  // pages that lost the same host do not come back all at once
  timer = setTimeout(connect, pause * (0.8 + 0.4 * Math.random()));
  if (live.connection !== 'asking') enter('lost', '');
  try {
    takePipeline(await get('api/pipeline'));
    if (!stream) enter('asking', '');
  } catch (error) {
    const isLocked = error instanceof Refused && error.code === 401;
    if (!stream || isLocked) enter(isLocked ? 'locked' : 'lost', error.message);
    if (isLocked) close();
  }
}

function check() {
  if (stream && !document.hidden && Date.now() - lastEvent > SILENT_MS) {
    lose();
  } else if (live.connection !== 'open') {
    changed();
  }
}
