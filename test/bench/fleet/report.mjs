// The results as Markdown, beside those of the prototype that set the bars.
import { BARE } from './flights.mjs';

const PROTOTYPE = {
  fleet: {
    100: { extraMs: { 2: 1.8, 4: 2.4, 8: 3.4 }, commands: { 2: 3, 4: 5, 8: 9 } },
    1000: { extraMs: { 2: 2.4, 4: 3.0, 8: 5.1 }, commands: { 2: 3, 4: 5, 8: 9 } },
  },
  [BARE]: { 1: { extraMs: { 2: 0.5, 4: 0.7, 8: 1.1 } } },
  'redlock-universal + result key': {
    100: { extraMs: { 2: 51, 4: 152, 8: 175 }, commands: { 2: 12, 4: 26, 8: 60 } },
  },
  bentocache: { 100: { commands: { 2: 402, 4: 804, 8: 1_608 } } },
};
const EXTRA_BAR = 3;
const FAULT_BARS = { dead: 1_000, hung: 2_500 };

export function barsOf({ lanes, hundred, faults }) {
  const bars = [];
  const bar = (claim, value, most) => bars.push({ claim, value, most, holds: value <= most });
  const bareOf = (many) =>
    lanes.find((lane) => lane.contender === BARE && lane.callers === 1 && lane.many === many).extraMs;
  for (const { many, callers, mostExecutions, extraMs, commands } of lanes.filter(isFleet)) {
    const where = `${many} processes × ${callers.toLocaleString('en')}`;
    bar(`${where}: executions of any flight`, mostExecutions, 1);
    bar(`${where}: extra time, in bare messages`, extraMs / bareOf(many), EXTRA_BAR);
    bar(`${where}: commands of a flight`, commands, many + 1);
  }
  bar(`${hundred.keys} keys: executions of a key that overlap`, hundred.overlaps, 0);
  for (const { name, mostMs, functionMs } of faults) {
    bar(`Redis ${name}: ms until all were told, without the function`, mostMs - functionMs, FAULT_BARS[name]);
  }
  return bars;
}

export function markdown({ when, machine, node, rounds, lanes, hundred, lone, faults }, bars) {
  const number = (value, digits = 1) => (value === undefined ? '–' : value.toFixed(digits));
  const rows = [...lanes].sort(byContender).map((lane) => {
    const { contender, many, callers, executions, firstMs, extraMs, commands } = lane;
    const was = PROTOTYPE[contender]?.[callers] ?? {};
    return [
      ...[contender, many, callers.toLocaleString('en'), number(executions, 2)],
      ...[
        number(firstMs, 2),
        number(extraMs, 2),
        was.extraMs?.[many] ?? '–',
        number(commands, 0),
        was.commands?.[many] ?? '–',
      ],
    ];
  });
  const heads = [
    '',
    'processes',
    'callers each',
    'executions',
    'first caller, ms',
    'callers, p50, ms',
    'prototype',
    'commands',
    'prototype',
  ];
  return [
    `${when}, ${machine}, Node ${node}; ${rounds} interleaved rounds, a function of 50 ms.`,
    "Times are those of following processes, from the end of the leader's function: until the first of their callers is " +
      'told, and until half of all their callers are.',
    tableIn(heads, rows),
    `${hundred.keys} keys, ${hundred.processes} processes, ${hundred.waves} waves: ${hundred.executions} executions, ` +
      `${hundred.overlaps} that overlap with another of their key.`,
    `A lone flight in a fleet of one: ${number(lone.flightUs, 0)} µs and ${number(lone.commands, 2)} commands; a bare ` +
      `round trip to Redis in between: ${number(lone.roundTripUs, 0)} µs.`,
    ...faults.map(({ name, settleMs, functionMs }) => {
      const all = settleMs.map((ms) => number(ms, 0)).join(', ');
      return `Redis ${name} in the middle of a function of ${functionMs} ms: all were told after ${all} ms.`;
    }),
    '### Bars',
    tableIn(
      ['', 'measured', 'bar', ''],
      bars.map(({ claim, value, most, holds }) => [
        ...[claim, number(value, value < 100 ? 2 : 0), `≤ ${most}`, holds ? 'holds' : 'FAILS'],
      ]),
    ),
  ].join('\n\n');
}

const isFleet = ({ contender }) => contender === 'fleet';
const ORDER = Object.keys(PROTOTYPE);

function byContender(one, other) {
  const rank = ({ contender, callers, many }) => ORDER.indexOf(contender) * 1e6 + callers * 100 + many;
  return rank(one) - rank(other);
}

function tableIn(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map((_head, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
