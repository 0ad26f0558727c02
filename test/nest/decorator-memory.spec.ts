import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { getSingleFlightToken, SingleFlight, SingleFlightModule, SingleFlightService } from 'nestjs-singleflight';
import { closeApps, startApp } from './support/apps.js';
import { nextTurn } from './support/work.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const COUNT = 10_000;

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  @SingleFlight((id: number) => id)
  async find(id: number): Promise<number> {
    return id;
  }

  @SingleFlight((id: number) => id, { group: 'users' })
  async grouped(id: number): Promise<number> {
    return id;
  }
}

class Users {
  @SingleFlight((id: string) => id)
  async find(id: string): Promise<string> {
    return id;
  }

  @SingleFlight((id: string) => id, { scope: 'class' })
  async load(id: string): Promise<string> {
    return id;
  }
}

/** How many of these are still there after the garbage was collected; none is what the last turns are for. */
async function survivors(references: readonly WeakRef<object>[]): Promise<number> {
  let alive = references.length;
  for (let attempt = 0; attempt < 20 && alive > 0; attempt++) {
    // A WeakRef that was just made or read holds on until the turn is over.
    await nextTurn();
    collectGarbage();
    alive = references.filter((reference) => reference.deref() !== undefined).length;
  }
  return alive;
}

async function usedHeap(): Promise<number> {
  await nextTurn();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

afterEach(closeApps);

describe('Idle costs nothing', () => {
  it('10,000 instances of REQUEST scope leave nothing behind', async () => {
    const { app } = await startApp({
      imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('users')],
      providers: [PerRequest],
    });
    const references: WeakRef<object>[] = [];
    const requests = async (count: number): Promise<void> => {
      for (let request = 0; request < count; request++) {
        const instance = await app.resolve(PerRequest, ContextIdFactory.create());
        await Promise.all([instance.find(request), instance.grouped(request)]);
        references.push(new WeakRef(instance));
      }
    };
    await requests(COUNT);
    expect(references).toHaveLength(COUNT);
    expect(await survivors(references)).toBe(0);
    const users = app.get<SingleFlightService>(getSingleFlightToken('users'));
    expect(users.group.size).toBe(0);
    expect(users.stats()).toMatchObject({ bypassed: COUNT, active: 0, adrift: 0 });
  });

  it('10,000 instances that Nest did not make leave nothing behind', async () => {
    const references: WeakRef<object>[] = [];
    const calls = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const users = new Users();
        await Promise.all([users.find('1'), users.find('1')]);
        references.push(new WeakRef(users));
      }
    };
    await calls(COUNT);
    const before = await usedHeap();
    await calls(COUNT);
    expect(await survivors(references)).toBe(0);
    // 20,000 groups would be tens of megabytes.
    expect((await usedHeap()) - before).toBeLessThan(5_000_000);
  });

  it('10,000 keys of one instance leave nothing behind', async () => {
    const users = new Users();
    const calls = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) await Promise.all([users.find(String(index)), users.find('same')]);
    };
    await calls(COUNT);
    const before = await usedHeap();
    await calls(COUNT);
    expect((await usedHeap()) - before).toBeLessThan(1_000_000);
  });

  it('an app that was closed leaves nothing behind', async () => {
    const references = await (async () => {
      const { app } = await startApp({ imports: [SingleFlightModule.forRoot()], providers: [Users] });
      const users = app.get(Users);
      await Promise.all([users.find('1'), users.load('1')]);
      await closeApps();
      return [users, app.get(SingleFlightService)].map((object) => new WeakRef<object>(object));
    })();
    expect(await survivors(references)).toBe(0);
  });
});
