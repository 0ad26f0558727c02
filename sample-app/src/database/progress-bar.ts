import { Presets, SingleBar } from 'cli-progress';
import type { SeedProgress } from './seed.js';

/** A bar on a terminal; one line where the output goes to a file or a pipe. */
export function progressBar(): SeedProgress {
  const bar = new SingleBar(
    { format: 'Seeding  {bar}  {value} of {total} rows', hideCursor: true, barsize: 30, gracefulExit: false },
    Presets.shades_classic,
  );
  return {
    start: (rows) => {
      if (process.stderr.isTTY) bar.start(rows, 0);
      else console.log(`Seeding ${rows.toLocaleString('en')} rows (products, orders, reviews) …`);
    },
    done: (rows) => {
      bar.update(rows);
    },
    stop: () => {
      bar.stop();
    },
  };
}
