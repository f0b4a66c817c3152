// Numbers and times as people read them. Nothing here touches the page.

import { language } from './i18n.js';

/** What stands where nothing is known. */
export const NONE = '–';

const SHANGHAI_MS = 8 * 3600 * 1000;
const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });
const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);
const short = (value) => GROUPED.format(Math.round(value * 100) / 100);

/** A count: 12.35万 and 3.2亿 in Chinese, 123,456 in English. */
export function count(value) {
  if (!isNumber(value)) return NONE;
  if (language() === 'zh') {
    if (Math.abs(value) >= 1e8) return `${short(value / 1e8)}亿`;
    if (Math.abs(value) >= 1e4) return `${short(value / 1e4)}万`;
  }
  return WHOLE.format(value);
}

/** So many a second. */
export function rate(value) {
  if (!isNumber(value)) return NONE;
  return value > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value));
}

/** Money that is not a price, e.g. the turnover. */
export function money(value) {
  return isNumber(value) ? count(Math.round(value)) : NONE;
}

/** A price: two places, three where the third says something. */
export function price(value) {
  if (!isNumber(value) || value === 0) return NONE;
  const places = Math.abs(value * 100 - Math.round(value * 100)) > 1e-6 ? 3 : 2;
  return value.toFixed(places);
}

/** With its sign, e.g. +1.23. */
export function signed(value, places = 2) {
  if (!isNumber(value)) return NONE;
  return (value > 0 ? '+' : '') + value.toFixed(places);
}

/** A share of 1 as a whole percentage. */
export function percent(share) {
  return isNumber(share) ? `${Math.round(share * 100)}%` : NONE;
}

/** Bytes in the largest unit that leaves a number of at least 1. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [at, rest] = [0, value];
  while (rest >= 1024 && at < units.length - 1) [at, rest] = [at + 1, rest / 1024];
  return `${at === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[at]}`;
}

/** Milliseconds of a latency. */
export function millis(value) {
  if (!isNumber(value)) return NONE;
  if (value >= 10_000) return duration(value / 1000);
  return value < 10 ? `${value.toFixed(1)} ms` : `${WHOLE.format(value)} ms`;
}

/** Seconds as the two largest units; short ones with tenths, unless they are only to be counted. */
export function duration(seconds, tenths = true) {
  if (!isNumber(seconds)) return NONE;
  const zh = language() === 'zh';
  const units = zh ? ['天', '小时', '分', '秒'] : ['d', 'h', 'min', 's'];
  const gap = zh ? '' : ' ';
  if (tenths && seconds < 10) return `${Math.max(0, seconds).toFixed(1)}${gap}${units[3]}`;
  const whole = Math.max(0, Math.round(seconds));
  const sizes = [86400, 3600, 60, 1];
  const first = Math.max(sizes.findIndex((size) => whole >= size), whole === 0 ? 3 : 0);
  const parts = [[Math.floor(whole / sizes[first]), units[first]]];
  const rest = whole % sizes[first];
  if (first < 3 && Math.floor(rest / sizes[first + 1]) > 0) {
    parts.push([Math.floor(rest / sizes[first + 1]), units[first + 1]]);
  }
  return parts.map(([number, unit]) => `${number}${gap}${unit}`).join(zh ? '' : ' ');
}

/** An age, in milliseconds as it ticks, and in words once it is long. */
export function age(ms) {
  if (!isNumber(ms)) return NONE;
  const exact = `${WHOLE.format(Math.max(0, ms))} ms`;
  return ms < 10_000 ? exact : `${exact} (${duration(ms / 1000)})`;
}

/** Date and time of microseconds since 1970, on the clock of Shanghai, which has no summer time. */
function shanghai(us) {
  if (!isNumber(us) || us <= 0 || us > 4e15) return null;
  const iso = new Date(us / 1000 + SHANGHAI_MS).toISOString();
  return { date: iso.slice(0, 10), time: iso.slice(11, 19), exact: iso.slice(11, 23) };
}

/** Time of day, with the date when that is another one than today's. */
export function time(us, nowMs = Date.now()) {
  const at = shanghai(us);
  if (!at) return NONE;
  return at.date === shanghai(nowMs * 1000)?.date ? at.time : `${at.date} ${at.time}`;
}

/** Date and time to the millisecond. */
export function exactTime(us) {
  const at = shanghai(us);
  return at ? `${at.date} ${at.exact}` : NONE;
}

/** Hour and minute of a minute of the day. */
export function clock(minute) {
  const two = (value) => String(value).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** A text cut to a width, in which a Chinese character counts twice. */
export function clip(value, width) {
  let used = 0;
  let kept = '';
  for (const character of String(value)) {
    used += character.codePointAt(0) > 0x2e7f ? 2 : 1;
    if (used > width) return `${kept.trimEnd()}…`;
    kept += character;
  }
  return kept;
}
