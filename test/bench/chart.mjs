// The results as one picture: a bar for each contender in each of a few rows, on a logarithmic scale, because the
// slowest is hundreds of times the fastest. Readable on a light page and on a dark one.
import { LIMIT, OURS } from './contenders.mjs';

const PANELS = [
  ['lone', 'Alone'],
  ['follower-1000', '1,000 followers'],
  ['errors', 'Failing'],
  ['zipf', 'Zipf mix'],
];
const LABELS = 178;
const PANEL = 160;
const BAR = 84;
const LINE = 20;
const TOP = 58;
/** Longer bars end here. */
const LONGEST = 256;

export function chart({ when, node, tables }) {
  const panels = PANELS.flatMap(([id, title]) => {
    const table = tables.find((each) => each.id === id);
    return table === undefined ? [] : [{ title, entries: table.entries }];
  });
  if (panels.length === 0) return undefined;
  const names = panels[0].entries.map(({ name }) => name);
  const width = LABELS + PANEL * panels.length;
  const height = TOP + LINE * names.length + 28;
  const rows = names.map((name, line) => rowOf(name, line, panels)).join('\n');
  const heads = panels.map(({ title }, i) => text(LABELS + PANEL * i, TOP - 14, title, 'head')).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Time per call, as a multiple of a Map and a promise written by hand">
<style>
  svg { --text: #1f2328; --quiet: #59636e; --peer: #b6bfc9; --ours: #0969da; --limit: #59636e }
  @media (prefers-color-scheme: dark) { svg { --text: #e6edf3; --quiet: #9198a1; --peer: #4b5563; --ours: #4493f8; --limit: #9198a1 } }
  text { font: 12px ui-sans-serif, system-ui, -apple-system, 'Segoe UI', sans-serif; fill: var(--text) }
  .title { font-weight: 600; font-size: 13px }
  .head { font-weight: 600 }
  .quiet { fill: var(--quiet); font-size: 11px }
  .ours { font-weight: 600 }
  rect.peer { fill: var(--peer) } rect.ours { fill: var(--ours) } rect.limit { fill: var(--limit) }
</style>
${text(0, 16, 'Time per call, as a multiple of a Map and a promise written by hand: shorter is faster', 'title')}
${heads}
${rows}
${text(0, height - 8, `Logarithmic scale. Medians of interleaved rounds, Node ${node}, ${when}.`, 'quiet')}
</svg>
`;
}

function rowOf(name, line, panels) {
  const y = TOP + LINE * line;
  const kind = name === OURS ? 'ours' : name === LIMIT ? 'limit' : 'peer';
  const cells = panels.map(({ entries }, i) => {
    const entry = entries.find((each) => each.name === name);
    const x = LABELS + PANEL * i;
    if (entry?.ratio === undefined) return text(x, y + 13, 'cannot', 'quiet');
    const length = 3 + (BAR - 3) * Math.min(1, Math.max(0, Math.log2(entry.ratio) / Math.log2(LONGEST)));
    const bar = `<rect class="${kind}" x="${x}" y="${y + 3}" width="${length.toFixed(1)}" height="12" rx="2"/>`;
    return bar + text(x + length + 5, y + 13, `${shortest(entry.ratio)} ×`, kind === 'ours' ? 'ours' : 'quiet');
  });
  return text(0, y + 13, name, kind === 'ours' ? 'ours' : '') + cells.join('');
}

const shortest = (ratio) => ratio.toFixed(ratio < 10 ? 2 : ratio < 100 ? 1 : 0);

function text(x, y, content, className) {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}"${className ? ` class="${className}"` : ''}>${escaped}</text>`;
}
