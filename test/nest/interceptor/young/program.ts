// How many bytes are among the old after so many requests were answered: `node program.js <how many each leads>`.
import 'reflect-metadata';
import { getHeapSpaceStatistics } from 'node:v8';
import { SingleFlightInterceptor } from 'nestjs-singleflight';
import { from } from 'rxjs';
import { Exchange } from '../support/exchange.js';

const ROUNDS = 25;
const AT_ONCE = 50;
/** So many words hang on each request. */
const WORDS = 4_000;

const followers = Number(process.argv[2]);
const collectGarbage = globalThis.gc as (options?: { type: 'minor' }) => void;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const interceptor = new SingleFlightInterceptor();

// What stays of the first, such as compiled code, is not theirs.
for (let round = 0; round < ROUNDS; round++) await answerMany();
collectGarbage();
const before = bytesAmongTheOld();
for (let round = 0; round < ROUNDS; round++) {
  await answerMany();
  // Twice: what has been through two of them is among the old.
  for (let collection = 0; collection < 2; collection++) collectGarbage({ type: 'minor' });
}
const all = ROUNDS * AT_ONCE * WORDS * 8;
console.log(JSON.stringify({ all, kept: bytesAmongTheOld() - before }));

/** Requests that are answered some turns of the event loop after they have come. */
async function answerMany(): Promise<void> {
  const answers = Array.from({ length: AT_ONCE }, (_, index) => {
    const exchange = new Exchange();
    exchange.request.url = `/${index % (AT_ONCE / (followers + 1))}`;
    Object.assign(exchange.request, { buffers: new Array<number>(WORDS).fill(index) });
    return exchange.answer(interceptor, () => from(handler()));
  });
  await Promise.all(answers);
}

async function handler(): Promise<string> {
  await turn();
  await turn();
  return 'answered';
}

function bytesAmongTheOld(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? NaN;
}
