import 'reflect-metadata';
import { BreakdownError } from './breakdown/breakdown.js';
import { Closing } from './closing.js';
import { HELP, readOptions } from './options.js';
import { runSample } from './sample.js';
import { StartupError } from './startup-error.js';

const closing = new Closing();

try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options.help) console.log(HELP);
  else await runSample(options, closing);
} catch (error) {
  process.exitCode = closing.interrupted.aborted ? 130 : 1;
  // What breaks because everything is being closed is no news.
  if (!closing.interrupted.aborted) console.error(messageOf(error));
}
await closing.closeAll();
// Does not wait for what a dependency may still have open, such as a timer.
process.exit();

function messageOf(error: unknown): unknown {
  return error instanceof StartupError || error instanceof BreakdownError ? error.message : error;
}
