import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  GroupClosedError,
  SingleFlight,
  SingleFlightModule,
  SingleFlightService,
  singleFlightOf,
} from '../../lib/index.js';
import { deferred } from '../support/deferred.js';
import { startApp, closeApps } from './support/apps.js';

afterEach(closeApps);

const work = { gate: deferred<string>(), runs: 0 };

@Injectable()
class Products {
  @SingleFlight((id: number) => id)
  async find(id: number): Promise<string> {
    work.runs++;
    return `${await work.gate.promise} ${id}`;
  }

  @SingleFlight((id: number) => id, { isolate: 'clone' })
  async copy(id: number): Promise<{ tags: string[] }> {
    work.runs++;
    await work.gate.promise;
    return { tags: [String(id)] };
  }
}

async function start(): Promise<{ products: Products; service: SingleFlightService; close: () => Promise<void> }> {
  work.gate = deferred();
  work.runs = 0;
  const { app } = await startApp({ imports: [SingleFlightModule.forRoot()], providers: [Products] });
  return { products: app.get(Products), service: app.get(SingleFlightService), close: () => app.close() };
}

describe('an app that shuts down', () => {
  it('waits for the flights of services and decorated methods, which can still be joined', async () => {
    const { products, service, close } = await start();
    const found = products.find(1);
    const ran = service.run('key', () => work.gate.promise);
    let closed = false;
    const closing = close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    const late = products.find(1);
    await expect(products.find(2)).rejects.toThrow(GroupClosedError);
    await expect(service.run('other', () => 'never')).rejects.toThrow(GroupClosedError);
    expect(closed).toBe(false);
    work.gate.resolve('a lamp');
    await closing;
    expect(await Promise.all([found, late, ran])).toEqual(['a lamp 1', 'a lamp 1', 'a lamp']);
    expect(work.runs).toBe(1);
  });

  it('ends at once when nothing is under way', async () => {
    const { close, products } = await start();
    work.gate.resolve('a lamp');
    await products.find(1);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    try {
      await close();
    } finally {
      jest.useRealTimers();
    }
    expect(singleFlightOf(products, 'find').inFlight()).toEqual([]);
  });
});

describe('@SingleFlight with isolate', () => {
  it('gives each caller a copy of its own', async () => {
    const { products } = await start();
    const both = Promise.all([products.copy(1), products.copy(1)]);
    work.gate.resolve('');
    const [one, other] = await both;
    expect(one).toEqual(other);
    expect(one).not.toBe(other);
    expect(one.tags).not.toBe(other.tags);
    expect(work.runs).toBe(1);
  });
});

describe('service.doMany', () => {
  it('takes equal keys for one, however they were made', async () => {
    const { service } = await start();
    const asked: unknown[] = [];
    const key = ['t', 1] as const;
    const values = await service.doMany([key, ['t', 1], ['t', 2]], async (keys, flight) => {
      asked.push(keys, flight.key);
      return new Map([[['t', 1], 'one']]);
    });
    expect(asked).toEqual([
      [
        ['t', 1],
        ['t', 2],
      ],
      [
        ['t', 1],
        ['t', 2],
      ],
    ]);
    expect([...values]).toEqual([[key, 'one']]);
    expect(values.get(key)).toBe('one');
  });

  it('joins what run is loading, and is joined by it', async () => {
    const { service } = await start();
    const run = service.run(1, () => work.gate.promise);
    const many = service.doMany([1, 2], async (keys) => new Map(keys.map((id) => [id, `loaded ${id}`])));
    const joined = service.run(2, () => 'never');
    work.gate.resolve('run');
    expect(await run).toBe('run');
    expect([...(await many)]).toEqual([
      [1, 'run'],
      [2, 'loaded 2'],
    ]);
    expect(await joined).toBe('loaded 2');
  });

  it('loads all keys by itself while the switch is off', async () => {
    const { service } = await start();
    const run = service.run(1, () => work.gate.promise);
    service.enabled = false;
    const values = await service.doMany([1, 2], async (keys) => new Map(keys.map((id) => [id, `loaded ${id}`])));
    expect([...values.values()]).toEqual(['loaded 1', 'loaded 2']);
    expect(service.stats()).toMatchObject({ flights: 1, bypassed: 1 });
    work.gate.resolve('run');
    await run;
  });

  it('refuses a key that could merge people, and a loader that brings no Map', async () => {
    const { service } = await start();
    await expect(service.doMany([undefined as never], async () => new Map())).rejects.toThrow(
      "Group 'default': the key is undefined.",
    );
    await expect(service.doMany([1], async () => new Map([[{}, 1]]) as never)).rejects.toThrow(
      "Group 'default': a key of the Map that `load()` returned is an object.",
    );
    await expect(service.doMany([1], async () => ({}) as never)).rejects.toThrow('`load()` is an object.');
    await expect(service.doMany([1], 'load' as never)).rejects.toThrow('`load` is the string "load".');
  });
});
