import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SingleFlightService } from 'nestjs-singleflight';
import { Group } from 'nestjs-singleflight/core';
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
