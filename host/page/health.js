// Whether all is well and, if not, what is wrong. Nothing here touches the page.

const BAD = ['failed', 'stuck', 'restarting'];
const UNWELL = ['retrying', 'silent', 'degraded'];
const RANK = { bad: 0, warn: 1, note: 2 };
/** A queue that is fuller than this is worth a word. */
const FULL = 0.8;
/** How long a trouble that comes and goes counts as one. */
const CALM_MS = 5_000;

/**
 * What is not as it should be, worst first. `level` is `bad`, `warn`, or `note` for what somebody may
 * want to know although all is well; `key` and `values` are the words.
 */
export function judge(pipeline) {
  const found = [];
  const add = (level, key, id, sinceUs, values) =>
    found.push({ level, key: `problem.${key}`, id, sinceUs: sinceUs ?? null, values: { id, ...values } });
  if (pipeline.status === 'draining') add('warn', 'draining', null, null);
  for (const it of pipeline.components) component(it, add);
  for (const [id, waiting] of blocking(pipeline.components)) {
    add('warn', 'blocks', id, null, { others: waiting.join(', ') });
  }
  const isSick = found.some((it) => it.level === 'bad' || UNWELL.some((state) => it.key.endsWith(state)));
  if (pipeline.status === 'failing' && !isSick) add('bad', 'failing', null, null);
  return found.sort((a, b) => RANK[a.level] - RANK[b.level]);
}

function component(it, add) {
  const error = it.last_error ?? '';
  if (it.paused) add('note', 'paused', it.id, it.since_us);
  else if (it.state === 'degraded' && it.degraded) {
    add('warn', 'plugin_degraded', it.id, it.since_us, { reason: it.degraded });
  } else if (BAD.includes(it.state)) add('bad', it.state, it.id, it.since_us, { error });
  else if (UNWELL.includes(it.state)) add('warn', it.state, it.id, it.since_us, { error });
  else if (it.state === 'starting') add('note', 'starting', it.id, it.since_us);
  if ((it.queue?.fill ?? 0) >= FULL) {
    add('warn', 'full', it.id, null, { share: Math.round(it.queue.fill * 100) });
  }
  if ((it.rate?.dropped ?? 0) > 0) add('warn', 'drops', it.id, null, { rate: it.rate.dropped });
  if ((it.dead_letters ?? 0) > 0) add('note', 'letters', it.id, null, { count: it.dead_letters });
}

/** Who holds others up, and whom. */
function blocking(components) {
  const waiting = new Map();
  for (const it of components) {
    if (it.blocked_by) waiting.set(it.blocked_by, [...(waiting.get(it.blocked_by) ?? []), it.id]);
  }
  return waiting;
}

/** Remembers since when each trouble is there that the host gives no time for. */
export class Memory {
  #seen = new Map();

  /** The same list with the time since when; what was there a moment ago still is. */
  keep(found, nowMs) {
    for (const it of found) {
      const key = `${it.key} ${it.id}`;
      const known = this.#seen.get(key);
      this.#seen.set(key, { it, since: known?.since ?? nowMs, last: nowMs });
    }
    const kept = [];
    for (const [key, { it, since, last }] of this.#seen) {
      const comesAndGoes = it.sinceUs === null;
      if (last !== nowMs && (!comesAndGoes || nowMs - last > CALM_MS)) this.#seen.delete(key);
      else kept.push({ ...it, sinceMs: it.sinceUs === null ? since : it.sinceUs / 1000 });
    }
    return kept.sort((a, b) => RANK[a.level] - RANK[b.level]);
  }
}
