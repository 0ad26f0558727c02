// What the library promises itself, as ratios to the limit in the same run; and that nobody who gives the same answers
// is faster.
import { LIMIT, OURS } from './contenders.mjs';

/** Differences below this are noise. */
const NOISE = 0.1;

/** Every bar whose rows were run: what was measured, the most it may be, and whether that holds. */
export function judge(tables) {
  const byId = new Map(tables.map((table) => [table.id, table]));
  return [...BARS, ...peerBars(tables)].flatMap(({ row, claim, most, unit = '×', measured }) => {
    const table = byId.get(row);
    if (table === undefined) return [];
    const value = measured(table);
    const verdict = value <= most ? 'holds' : value <= most * (1 + NOISE) ? 'within noise' : 'FAILS';
    return [{ claim, row, value, most, unit, verdict }];
  });
}

const entryOf = (table, name) => table.entries.find((entry) => entry.name === name);
const first = (table) => table.entries[0];
const ratio = (row, claim, most) => ({ row, claim, most, measured: (table) => entryOf(table, OURS).ratio });
const added = (key, to) => (table) => Math.max(0, entryOf(table, OURS)[key] - entryOf(table, to)[key]);
const joinWindow = `${OURS}, 30 s join window`;

const BARS = [
  ratio('lone', 'a lone `run`', 1.25),
  { row: 'bytes-lone', claim: 'a lone `run` adds', most: 420, unit: 'B', measured: added('bytes', LIMIT) },
  ratio('lone-collected', 'a lone `run` after a full collection', 1.5),
  ratio('follower-100', 'one of 100 followers', 1.1),
  ratio('follower-1000', 'one of 1,000 followers', 1.1),
  { row: 'bytes-follower', claim: 'a follower adds', most: 1, unit: 'B', measured: added('bytes', LIMIT) },
  ratio('errors', 'a failing leader', 1.15),
  ratio('errors-crowd', 'one of 100 who fail together', 1.15),
  ratio('zipf', 'the zipf mix', 1.3),
  {
    row: 'window',
    claim: 'a lone `run`, 30 s join window, to one without',
    most: 1.1,
    measured: (table) => entryOf(table, joinWindow).ratio / entryOf(table, OURS).ratio,
  },
  {
    row: 'window-crowd',
    claim: 'one of 100, 30 s join window, to one without',
    most: 1.1,
    measured: (table) => entryOf(table, joinWindow).ratio / entryOf(table, OURS).ratio,
  },
  ratio('decorator-lone-1', 'the decorator, lone, one class', 1.35),
  ratio('decorator-lone-16', 'the decorator, lone, sixteen classes', 1.35),
  {
    row: 'decorator-join-16',
    claim: 'joining a decorated method, over a bare one and its key, sixteen classes',
    most: 20,
    unit: 'ns',
    measured: (table) => entryOf(table, OURS).ns - entryOf(table, 'a method without coalescing, its key made').ns,
  },
  ...[
    ['interceptor', "the interceptor, 'public', nobody joins", "'public'", 1.4],
    ['interceptor', "the interceptor, 'client', nobody joins", "'client'", 2],
    ['interceptor-crowd', "the interceptor, 'public', 100 on one key", "'public'", 0.6],
  ].map(([row, claim, name, most]) => ({ row, claim, most, measured: (table) => entryOf(table, name).ratio })),
  ratio('do', '`do`, lone', 2),
  ratio('do-crowd', '`do`, one of 100 followers', 2),
  ratio('signal', 'a call with a signal that guards many', 5),
  {
    row: 'signal-each',
    claim: 'a call with a signal of its own, to one by hand',
    most: 1.5,
    measured: (table) => entryOf(table, OURS).ratio / entryOf(table, `${LIMIT}, with a signal`).ratio,
  },
  ratio('do-chan', '`doChan`, per subscriber, to `then`', 3.7),
  {
    row: 'event-unheard',
    claim: 'an event that nobody hears',
    most: 3,
    unit: 'ns',
    measured: (table) => table.entries[1].ns - first(table).ns,
  },
  ...[100_000, 1_000_000].flatMap((size) => [
    {
      row: `heap-${size}`,
      claim: `heap per key, ${size.toLocaleString('en')} in flight, over by hand`,
      most: 300,
      unit: 'B',
      measured: added('bytes', LIMIT),
    },
    {
      row: `heap-${size}`,
      claim: 'what is left of it afterwards, per key',
      most: 1,
      unit: 'B',
      measured: (table) => entryOf(table, OURS).left,
    },
  ]),
  ...['leader', 'follower', 'error'].map((who) => ({
    row: 'microtasks',
    claim: `microtasks, ${who}`,
    most: 1,
    unit: 'turns',
    measured: (table) => entryOf(table, OURS)[who],
  })),
];

/** The questions on which an answer may differ by design: a cache's keys are strings. */
const BY_DESIGN = new Set(['keys']);

function peerBars(tables) {
  const answers = tables.find(({ id }) => id === 'correctness')?.entries ?? [];
  const right = answers.filter(
    ({ isPeer, wrong }) => isPeer && Object.keys(wrong).every((asked) => BY_DESIGN.has(asked)),
  );
  return right.flatMap(({ name }) =>
    tables
      .filter((table) => entryOf(table, name)?.ratio !== undefined && entryOf(table, OURS)?.ratio !== undefined)
      .map(({ id, title }) => ({
        row: id,
        claim: `to ${name}: ${title}`,
        most: 1,
        measured: (table) => entryOf(table, OURS).ratio / entryOf(table, name).ratio,
      })),
  );
}
