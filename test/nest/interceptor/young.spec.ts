import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { SingleFlightInterceptor } from 'nestjs-singleflight';
import { from } from 'rxjs';
import { Exchange } from './support/exchange.js';
import { turn } from './support/server.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

const ROUNDS = 25;
const AT_ONCE = 50;
/** So many words hang on each request. */
const WORDS = 4_000;

function bytesAmongTheOld(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size;
}

/** Requests that are answered some turns of the event loop after they have come. */
async function answerMany(interceptor: SingleFlightInterceptor, followers: number): Promise<void> {
  const exchanges = Array.from({ length: AT_ONCE }, (_, index) => {
    const exchange = new Exchange();
    exchange.request.url = `/${index % (AT_ONCE / (followers + 1))}`;
    Object.assign(exchange.request, { buffers: new Array<number>(WORDS).fill(index) });
    return exchange;
  });
  const handler = async (): Promise<string> => {
    await turn();
    await turn();
    return 'answered';
  };
  const answers = await Promise.all(exchanges.map((exchange) => exchange.answer(interceptor, () => from(handler()))));
  expect(answers).toEqual(exchanges.map(() => 'answered'));
  expect(exchanges.reduce((sum, { listeners }) => sum + listeners, 0)).toBe(0);
}

describe.each([
  ['that lead', 0],
  ['of which each leads four', 4],
])('Requests %s', (_name, followers) => {
  it('go with the next minor collection once they are answered', async () => {
    const interceptor = new SingleFlightInterceptor();
    // What stays of the first, such as compiled code, is not theirs.
    for (let round = 0; round < ROUNDS; round++) await answerMany(interceptor, followers);
    collectGarbage();
    const before = bytesAmongTheOld();
    for (let round = 0; round < ROUNDS; round++) {
      await answerMany(interceptor, followers);
      // Twice: what has been through two of them is among the old.
      for (let collection = 0; collection < 2; collection++) collectGarbage({ type: 'minor' });
    }
    // All of them are at least eight bytes a word.
    const all = ROUNDS * AT_ONCE * WORDS * 8;
    expect(bytesAmongTheOld() - before).toBeLessThan(all / 10);
  });
});
