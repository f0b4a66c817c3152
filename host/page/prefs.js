// What this browser remembers. One that lets nothing be kept gets the defaults each time.

const PREFIX = 'dataserver.';

/** What was kept under a name, or the fallback. */
export function recall(name, fallback) {
  try {
    const kept = JSON.parse(localStorage.getItem(PREFIX + name));
    return kept === null ? fallback : kept;
  } catch {
    return fallback;
  }
}

/** Keeps a value. */
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // it holds until the page is left
  }
}
