// The results as Markdown.
import { QUESTIONS } from './correctness.mjs';

export function markdown({ when, machine, node, settings, tables, bars }) {
  const thorough = settings.quick
    ? 'a quick look, not to be quoted'
    : `medians of ${settings.rounds} interleaved rounds`;
  return [
    `${when}, ${machine}, Node ${node}; ${thorough}.`,
    ...tables.map(tableOf),
    bars.length === 0 ? '' : barsOf(bars),
  ].join('\n\n');
}

function tableOf(table) {
  const { title, unit = 'time', entries } = table;
  const [heads, cells] = COLUMNS[unit];
  const rows = entries.filter(({ cannot }) => !cannot).map((entry) => [nameOf(entry), ...cells(entry)]);
  return [`### ${title}`, tableIn(['', ...heads], rows), ...cannotsOf(entries)].join('\n\n');
}

/** One line for each reason why somebody is not in the table. */
function cannotsOf(entries) {
  const byReason = new Map();
  for (const entry of entries.filter(({ cannot }) => cannot)) {
    byReason.set(entry.cannot, [...(byReason.get(entry.cannot) ?? []), nameOf(entry)]);
  }
  return [...byReason].map(([reason, names]) => `Not in the table: ${names.join(', ')} (${reason}).`);
}

const COLUMNS = {
  time: [
    ['ratio', 'quartiles', 'ns', ''],
    ({ ratio, low, high, ns, note = '' }) => [
      `${ratio.toFixed(2)} ×`,
      `${low.toFixed(2)}–${high.toFixed(2)}`,
      ns.toFixed(ns < 100 ? 1 : 0),
      note,
    ],
  ],
  bytes: [
    ['bytes', 'left afterwards'],
    ({ bytes, left }) => [bytes.toFixed(0), left === undefined ? '' : left.toFixed(1)],
  ],
  turns: [['leader', 'follower', 'error'], ({ leader, follower, error }) => [leader, follower, error].map(turnsOf)],
  answers: [Object.values(QUESTIONS), ({ wrong }) => Object.keys(QUESTIONS).map((question) => wrong[question] ?? '✓')],
};

const turnsOf = (turns) => (Number.isFinite(turns) ? String(turns) : 'a turn of the event loop');
const nameOf = ({ name, version, isPeer }) => (isPeer && version ? `${name} ${version}` : name);

function barsOf(bars) {
  const number = (value, unit) => `${value.toFixed(unit === '×' ? 2 : 0)} ${unit}`;
  const rows = bars.map(({ claim, value, most, unit, verdict }) => [
    claim,
    number(value, unit),
    `≤ ${number(most, unit)}`,
    verdict,
  ]);
  return `### Bars\n\n${tableIn(['', 'measured', 'bar', ''], rows)}`;
}

function tableIn(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const padded = rows.map((row) => [...row, ...new Array(Math.max(0, heads.length - row.length)).fill('')]);
  return [line(heads), line(heads.map((_head, i) => (i === 0 ? '---' : '---:'))), ...padded.map(line)].join('\n');
}
