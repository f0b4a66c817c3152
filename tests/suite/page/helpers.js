// The body of an asynchronous function; gives how many things were tried.

const load = (names) => Promise.all(names.map((name) => import(`/page/${name}.js`)));
const [format, i18n, health, session, layout, table, router, csv, readers, system, days] = await load([
  'format', 'i18n', 'health', 'views/session', 'views/layout', 'table', 'router', 'csv', 'views/readers', 'views/system', 'views/days',
]);
const [en, zh] = (await load(['en', 'zh'])).map((it) => it.default);

let tried = 0;
const same = (found, expected) => {
  tried += 1;
  const [one, other] = [found, expected].map((it) => JSON.stringify(it));
  if (one !== other) throw new Error(`${one} instead of ${other}`);
};

// words: the same keys, and the same holes in them
same(Object.keys(zh).sort(), Object.keys(en).sort());
const holes = (words) => [...words.matchAll(/\{\w+\}/g)].map(String).sort();
for (const key of Object.keys(en)) same([key, holes(zh[key])], [key, holes(en[key])]);

// numbers, as each language writes them
i18n.setLanguage('zh');
for (const [number, words] of [
  [0, '0'], [9999, '9,999'], [12_345, '1.23万'], [-12_345, '-1.23万'], [86_809_300, '8,680.93万'], [320_000_000, '3.2亿'], [null, '–'],
  [NaN, '–'], [Infinity, '–'],
]) same(format.count(number), words);
for (const [seconds, words] of [[0.04, '0.0秒'], [-3, '0.0秒'], [75, '1分15秒'], [3600, '1小时'], [90_061, '1天1小时'], [undefined, '–']]) {
  same(format.duration(seconds), words);
}
same([0, 0.6, 9, 60].map((it) => format.duration(it, false)), ['0秒', '1秒', '9秒', '1分']);
same([format.age(950.4), format.age(61_000), format.age(null)], ['950 ms', '61,000 ms (1分1秒)', '–']);
i18n.setLanguage('en');
same([12_345, 320_000_000].map(format.count), ['12,345', '320,000,000']);
same([0, 0.25, 3, 1234.4, null].map(format.rate), ['0', '0.3', '3.0', '1,234', '–']);
same([11.59, 1.234, 19.379999999999998, 0, null].map(format.price), ['11.59', '1.234', '19.38', '–', '–']);
same([-0.1, 0, 0.1].map((it) => format.signed(it)), ['-0.10', '0.00', '+0.10']);
same([0, 0.126, 1].map(format.percent), ['0%', '13%', '100%']);
same([0, 1536, 5 * 2 ** 30, undefined].map(format.bytes), ['0 B', '1.5 KiB', '5.0 GiB', '–']);
same([0.44, 12, 12_000].map(format.millis), ['0.4 ms', '12 ms', '12 s']);
same([75, 86_400 * 30].map(format.duration), ['1 min 15 s', '30 d']);
same(['平安银行', 'abcd', 'abcde'].map((it) => format.clip(it, 4)), ['平安…', 'abcd', 'abcd…']);

// times are Shanghai's, wherever the browser is
const us = Date.UTC(2022, 10, 18, 8, 14, 9, 250) * 1000;
same(format.exactTime(us), '2022-11-18 16:14:09.250');
same(format.time(us, us / 1000 + 60_000), '16:14:09');
same(format.time(us, us / 1000 + 86_400_000), '2022-11-18 16:14:09');
same([0, null, -1, 1e18].map((it) => format.time(it)), ['–', '–', '–', '–']);
same([555, 900].map(format.clock), ['09:15', '15:00']);

// the trading day without its lunch, with its gaps
same([554, 555, 690, 691, 779, 780, 900, 901].map(session.placeOf), [null, 0, 135, null, null, 135, 255, null]);
const runs = session.runsOf([
  [570, 10, 1, 10], [571, 10.1, 2, 20], [573, 10.2, 3, 30], [689, 10, 1, 1], [690, 10, 1, 1], [700, 9, 9, 9], [781, 10.3, 4, 40],
  [572, 0, 5, 50], [780, 10.2, 1, 1],
]);
same(runs.map((run) => run.map((it) => it.minute)), [[570, 571], [573], [689, 780, 781]]);
same(runs.at(-1).map((it) => it.volume), [1, 2, 4]);
same(session.reach([], 10) > 0, true);

// who stands where
const component = (id, kind) => ({ id, kind });
const placed = layout.layout(
  [component('a', 'source'), component('b', 'source'), component('t', 'transform'), component('x', 'sink'), component('y', 'sink')],
  [{ from: 'a', to: 't' }, { from: 't', to: 'x' }, { from: 'b', to: 'y' }, { from: 'gone', to: 'x' }]);
const at = (id) => placed.nodes.get(id);
same([at('a').x < at('t').x, at('t').x < at('x').x, at('x').x === at('y').x, at('a').x === at('b').x], [true, true, true, true]);
same(placed.edges.map((it) => it.points.length), [2, 2, 4]);
const boxes = [...placed.nodes.values()];
const overlap = (a, b) => a !== b && a.x === b.x && Math.abs(a.y - b.y) < layout.HEIGHT;
same(boxes.some((a) => boxes.some((b) => overlap(a, b))), false);
same(boxes.every((it) => it.x >= 0 && it.y >= 0 && it.x + layout.WIDTH <= placed.width && it.y + layout.HEIGHT <= placed.height), true);
same(layout.layout([], []).nodes.size, 0);
same(layout.layout([component('p', 'transform'), component('q', 'transform')], [{ from: 'p', to: 'q' }, { from: 'q', to: 'p' }]).nodes.size, 2);
same(layout.path([{ x: 0, y: 5 }, { x: 10, y: 5 }]), 'M0 5L10 5');

// what is not well, worst first
const judged = (components, status = 'healthy') => health.judge({ status, components }).map((it) => `${it.level} ${it.key} ${it.id}`);
same(judged([{ id: 'a', state: 'running' }, { id: 'b', state: 'ended' }]), []);
same(judged([
  { id: 'a', state: 'running', blocked_by: 'c', dead_letters: 2 },
  { id: 'b', state: 'running', blocked_by: 'c' },
  { id: 'c', state: 'retrying', last_error: 'away', queue: { fill: 0.95 } },
  { id: 'd', state: 'failed' },
  { id: 'e', state: 'running', paused: true, rate: { dropped: 3 } },
], 'failing'), [
  'bad problem.failed d', 'warn problem.retrying c', 'warn problem.full c', 'warn problem.drops e', 'warn problem.blocks c',
  'note problem.letters a', 'note problem.paused e',
]);
same(judged([{ id: 'a', state: 'running' }], 'failing'), ['bad problem.failing null']);
same(judged([{ id: 'a', state: 'running' }], 'draining'), ['warn problem.draining null']);
const memory = new health.Memory();
const blocked = () => health.judge({ status: 'healthy', components: [{ id: 'a', state: 'running', blocked_by: 'b' }] });
same(memory.keep(blocked(), 1000).map((it) => it.sinceMs), [1000]);
same(memory.keep([], 3000).map((it) => it.sinceMs), [1000]);
same(memory.keep(blocked(), 5000).map((it) => it.sinceMs), [1000]);
same(memory.keep([], 11_000).length, 0);
same(memory.keep(blocked(), 12_000).map((it) => it.sinceMs), [12_000]);

// tables and addresses
const columns = [{ key: 'n', value: (it) => it }];
same(table.sort([2, null, 10, 1], columns, 'n'), [1, 2, 10, null]);
same(table.sort([2, null, 10, 1], columns, '-n'), [10, 2, 1, null]);
same(table.sort(['b10', 'b9'], columns, 'n'), ['b9', 'b10']);
same(table.sort([2, 1], columns, 'other'), [2, 1]);
same(router.parse('#/quotes?symbol=000001.SZ&x=%E5%B9%B3'), { view: 'quotes', filters: { symbol: '000001.SZ', x: '平' } });
same(router.parse(''), { view: '', filters: {} });
same(router.link('stores', { id: 'a b', after: '', sort: null }), '#/stores?id=a+b');
same(csv.csv(['a', 'b'], [[1, 'x,"y"'], [null, '=1+1'], [true, '-2'], [-3, 'z']]), 'a,b\r\n1,"x,""y"""\r\n,\'=1+1\r\ntrue,\'-2\r\n-3,z\r\n');
const some = [{ id: 'bus/1', kind: 'client', state: 'live' }, { id: 'bus/2', kind: 'consumer', state: 'slow', group: 'Traders' }];
same([{}, { q: 'traders' }, { kind: 'client' }, { state: 'gone' }].map((it) => readers.shown(some, it).length), [2, 1, 1, 0]);
const lines = ['error', 'warn', 'info'].map((level) => ({ level, component: level, text: `of ${level}` }));
same([{}, { level: 'warn' }, { component: 'info' }, { q: 'OF W' }].map((it) => system.passing(lines, it).length), [3, 2, 1, 1]);
const calendar = days.monthsOf(['2026-01-05', '2026-02-27', '2026-01-31'].map((date) => ({ date })));
same(calendar.map((it) => [it.month, it.weeks.length]), [['2026-02', 5], ['2026-01', 5]]);
same(calendar[1].weeks[0].map((cell) => cell && cell.number), [null, null, null, 1, 2, 3, 4]);
same(calendar[1].weeks.flat().filter((cell) => cell?.day).map((cell) => cell.day.date), ['2026-01-05', '2026-01-31']);
same([100, 99, 90, 50, 3].map((complete) => days.levelOf({ verdict: 'incomplete', expected: 100, complete })), [3, 3, 2, 1, 0]);
same(['complete', 'holiday', 'no host'].map((verdict) => days.levelOf({ verdict })), [4, null, null]);
return tried;
