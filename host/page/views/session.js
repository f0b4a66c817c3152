// The trading day as an axis: 09:15 to 11:30 and 13:00 to 15:00, without the lunch between. Nothing
// here touches the page.

const MORNING = [9 * 60 + 15, 11 * 60 + 30];
const AFTERNOON = [13 * 60, 15 * 60];
/** Minutes that are drawn. */
export const LENGTH = MORNING[1] - MORNING[0] + AFTERNOON[1] - AFTERNOON[0];
/** Minutes of the day that are written below the axis. */
export const MARKS = [MORNING[0], 10 * 60 + 30, MORNING[1], 14 * 60, AFTERNOON[1]];

/** The place of a minute on the axis, from 0 to LENGTH; null outside of the sessions. */
export function placeOf(minute) {
  if (minute >= MORNING[0] && minute <= MORNING[1]) return minute - MORNING[0];
  if (minute >= AFTERNOON[0] && minute <= AFTERNOON[1]) return MORNING[1] - MORNING[0] + minute - AFTERNOON[0];
  return null;
}

/**
 * What is drawn of the points `[minute, price, volume, amount]` of a day: in order, one a place, with
 * prices. `runs` are the stretches in which no minute is missing.
 */
export function runsOf(points) {
  const byPlace = new Map();
  for (const [minute, price, volume, amount] of points) {
    const place = placeOf(minute);
    if (place === null || !(price > 0)) continue;
    const before = byPlace.get(place);
    byPlace.set(place, {
      place,
      minute,
      price,
      volume: (before?.volume ?? 0) + (volume ?? 0),
      amount: (before?.amount ?? 0) + (amount ?? 0),
    });
  }
  const sorted = [...byPlace.values()].sort((a, b) => a.place - b.place);
  const runs = [];
  for (const point of sorted) {
    const run = runs.at(-1);
    if (run && point.place - run.at(-1).place <= 1) run.push(point);
    else runs.push([point]);
  }
  return runs;
}

/** Half the height of the price axis: the largest distance from the close before, at least half a percent. */
export function reach(runs, before) {
  const far = runs.flat().reduce((most, point) => Math.max(most, Math.abs(point.price - before)), 0);
  return Math.max(far * 1.05, before * 0.005, 0.01);
}
