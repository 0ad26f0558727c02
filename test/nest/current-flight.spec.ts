import { describe, expect, it } from '@jest/globals';
import {
  currentFlight,
  NoCurrentFlightError,
  SingleFlight,
  singleFlightOf,
  SingleFlightService,
  type Flight,
} from 'nestjs-singleflight';
import { firstValueFrom, Observable } from 'rxjs';
import { nextTurn, rejection, Work } from './support/work.js';

const MESSAGE =
  'currentFlight() was called outside of a decorated method or wrapped function, or after its first await. ' +
  'Call it at the top: const { signal } = currentFlight(); In run(), do() and doChan() the flight is the ' +
  "function's argument: run(key, ({ signal }) => …). A controller's handler takes @FlightSignal() instead, or " +
  'forRoot({ http: { currentFlight: true } }) lets all of them call it. [ERR_SINGLEFLIGHT_NO_CURRENT_FLIGHT]';

class Users {
  readonly work = new Work();
  readonly seen: Flight[] = [];

  @SingleFlight((id: number) => id)
  async find(id: number): Promise<string> {
    this.seen.push(currentFlight());
    return this.work.execute(id);
  }

  @SingleFlight((id: number) => id)
  async late(id: number): Promise<unknown> {
    await this.work.execute(id);
    return currentFlight();
  }

  @SingleFlight((id: number) => ['outer', id])
  async outer(id: number): Promise<string> {
    const before = currentFlight();
    const inner = this.find(id);
    this.seen.push(before, currentFlight());
    return inner;
  }

  @SingleFlight((id: number) => ['observed', id])
  observed(id: number): Observable<unknown> {
    const { key } = currentFlight();
    return new Observable((subscriber) => {
      subscriber.next([key, id]);
      subscriber.complete();
    });
  }

  @SingleFlight(() => 'throws')
  throws(): Promise<string> {
    throw new Error(currentFlight().key);
  }
}

describe('currentFlight()', () => {
  it('is the flight of the method, at its top', async () => {
    const users = new Users();
    const calls = [users.find(1), users.find(1)];
    expect(users.seen.map(({ key }) => key)).toEqual(['#1']);
    expect(users.seen[0]!.signal.aborted).toBe(false);
    users.work.resolve('Ada');
    await Promise.all(calls);
  });

  it('throws after the first await', async () => {
    const users = new Users();
    const late = rejection(users.late(1));
    users.work.resolve('Ada');
    const error = await late;
    expect(error).toBeInstanceOf(NoCurrentFlightError);
    expect(error).toMatchObject({ code: 'ERR_SINGLEFLIGHT_NO_CURRENT_FLIGHT', message: MESSAGE });
  });

  it('throws outside of any method', async () => {
    const users = new Users();
    expect(() => currentFlight()).toThrow(MESSAGE);
    const call = users.find(1);
    expect(() => currentFlight()).toThrow(MESSAGE);
    await expect(users.throws()).rejects.toThrow('throws');
    expect(() => currentFlight()).toThrow(MESSAGE);
    users.work.resolve('Ada');
    await call;
  });

  it('is the inner one in the inner method, and the outer one again after it', async () => {
    const users = new Users();
    const call = users.outer(1);
    expect(users.seen.map(({ key }) => key)).toEqual(['#1', '["outer",1]', '["outer",1]']);
    expect(users.seen[1]).toBe(users.seen[2]);
    users.work.resolve('Ada');
    await call;
  });

  it('is the outer one again after an inner method that throws or only joins', async () => {
    const work = new Work();
    const seen: string[] = [];
    class Nested {
      @SingleFlight(() => 'outer')
      async outer(): Promise<string> {
        void this.inner();
        await this.throws().catch(() => seen.push('caught'));
        return this.inner();
      }

      @SingleFlight(() => 'middle')
      async middle(): Promise<string> {
        const joined = this.inner();
        this.throws().catch(() => seen.push('caught'));
        seen.push(currentFlight().key);
        return joined;
      }

      @SingleFlight(() => 'inner')
      inner(): Promise<string> {
        seen.push(currentFlight().key);
        return work.execute();
      }

      @SingleFlight(() => 'throws')
      throws(): Promise<string> {
        throw new Error('at once');
      }
    }
    const nested = new Nested();
    const inner = nested.inner();
    const middle = nested.middle();
    work.resolve('done');
    expect(await Promise.all([inner, middle])).toEqual(['done', 'done']);
    expect(seen).toEqual(['inner', 'middle', 'caught']);
  });

  it('is the flight of a method that returns an Observable', async () => {
    expect(await firstValueFrom(new Users().observed(1))).toEqual(['["observed",1]', 1]);
  });

  it('is the flight of a wrapped function', async () => {
    const service = new SingleFlightService();
    const load = service.wrap(
      async (id: number) => [currentFlight().key, id],
      (id) => id,
    );
    const [key, id] = await load(1);
    expect([key, id]).toEqual([expect.stringMatching(/^@.* #1$/), 1]);
  });

  it('is there for a call that is not coalesced, with a signal of its own', async () => {
    const service = new SingleFlightService();
    const flights: Flight[] = [];
    const load = service.wrap(
      async (id: number) => {
        flights.push(currentFlight());
        return id;
      },
      () => undefined,
    );
    await Promise.all([load(1), load(1)]);
    expect(flights).toHaveLength(2);
    expect(flights[0]!.signal).not.toBe(flights[1]!.signal);
  });

  it('aborts its signal when the last caller unsubscribes', async () => {
    const signals: AbortSignal[] = [];
    class Watched {
      @SingleFlight(() => 'all')
      watch(): Observable<string> {
        signals.push(currentFlight().signal);
        return new Observable<string>();
      }
    }
    const watched = new Watched();
    const [first, second] = [watched.watch().subscribe(), watched.watch().subscribe()];
    first.unsubscribe();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    second.unsubscribe();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await nextTurn();
    expect(singleFlightOf(watched, 'watch').inFlight()).toEqual([]);
  });
});
