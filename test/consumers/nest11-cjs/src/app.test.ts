import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SingleFlightService } from 'nestjs-singleflight';
import { Group } from 'nestjs-singleflight/core';
import { held, watchFlights } from 'nestjs-singleflight/testing';
import { AppModule, Products } from './app.module.js';
import { burst, CALLERS } from './burst.js';

let app: INestApplication;

beforeAll(async () => {
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
});

afterAll(() => app.close());

it.each(['decorated', 'intercepted'])(
  'answers a burst on a %s route with one run',
  async (route) => {
    const { loaded } = app.get(Products);
    const runsBefore = loaded.length;

    const answers = await burst(`${await app.getUrl()}/${route}/${route}`);

    expect(answers).toEqual(Array(CALLERS).fill({ id: route, run: runsBefore + 1 }));
    expect(loaded.slice(runsBefore)).toEqual([route]);
  },
  30_000,
);

it("injects the service, whose group is the core's", () => {
  expect(app.get(SingleFlightService).group).toBeInstanceOf(Group);
});

it('holds a flight and sees who is aboard', async () => {
  const flights = watchFlights();
  const load = held<string>();
  const singleFlight = app.get(SingleFlightService);
  const answers = Promise.all([singleFlight.run('held', load), singleFlight.run('held', load)]);
  await flights.aboard({ key: 'held', callers: 2 });
  load.release('landed');
  expect(await answers).toEqual(['landed', 'landed']);
  expect(load.calls).toBe(1);
  flights.stop();
});
