import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { startRedisServer } from '../../test/support/redis-server.js';
import { buildApp, isRunning, queriesIn, SampleProcess, serverIn, temporaryFolder } from './support/sample-process.js';

jest.setTimeout(120_000);

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  await buildApp();
}, 180_000);

afterAll(async () => {
  const left = serverIn(folder);
  if (left && isRunning(left.pid)) process.kill(left.pid, 'SIGQUIT');
  await rm(folder, { recursive: true, force: true });
});

const start = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): SampleProcess =>
  new SampleProcess(['--port', '0', ...args], { SAMPLE_DATA_DIR: folder, ...environment });

const SERVING = /Serving (http:\/\/localhost:\d+)/;

function expectBreakdown(stdout: string): void {
  const queries = queriesIn(stdout);
  expect(queries).toEqual({ without: expect.any(Number), with: 1, intercepted: 1 });
  expect(queries.without).toBeGreaterThanOrEqual(100);
  expect(stdout).toContain('Every response held the same product.');
}

/** These build on one data folder, from top to bottom. */
describe('The sample app on its own PostgreSQL', () => {
  test('is interrupted while it seeds, and leaves nothing running', async () => {
    const sample = start([]);
    await sample.prints(/Seeding/);
    const server = serverIn(folder)!;
    const { code, stderr } = await sample.interrupt();
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(isRunning(server.pid)).toBe(false);
    expect(existsSync(join(folder, 'sample-app.pid'))).toBe(false);
  });

  test('seeds what is half seeded, plays the breakdown and ends with --once', async () => {
    const { code, stdout, stderr } = await start(['--once']).ends();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Seeding 215,000 rows');
    expect(stdout).toContain('counted by PostgreSQL');
    expectBreakdown(stdout);
    expect(serverIn(folder)).toBeUndefined();
  });

  test('serves on after the breakdown until it is interrupted; Redis may come and go', async () => {
    const redis = await startRedisServer();
    const sample = start([], { REDIS_URL: redis.url });
    try {
      const [printed, url] = await sample.prints(SERVING);
      expect(printed).not.toContain('Seeding');
      await redis.stop();
      const answers = await Promise.all(
        ['without', 'with', 'intercepted'].map((route) => fetch(`${url!}/products/7/${route}`)),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    } finally {
      await redis.stop();
      const server = serverIn(folder);
      const { code, stdout } = await sample.interrupt();
      expect(code).toBe(0);
      expectBreakdown(stdout);
      expect(stdout).not.toContain('Seeding');
      expect(server && isRunning(server.pid)).toBe(false);
    }
  });

  test('answers with products, 404 and 400; keeps a second app away; PostgreSQL outlives it only until the next start', async () => {
    const sample = start(['--requests', '5']);
    const [, url] = await sample.prints(SERVING);
    const get = async (path: string) => {
      const response = await fetch(`${url!}/products/${path}`);
      return { status: response.status, body: (await response.json()) as { id?: number; message?: string } };
    };

    const pages = await Promise.all(['7/without', '7/with', '7/intercepted'].map(get));
    expect(pages[0]).toMatchObject({ status: 200, body: { id: 7, reviews: { latest: expect.any(Array) } } });
    expect(pages[1]).toEqual(pages[0]);
    expect(pages[2]).toEqual(pages[0]);
    for (const route of ['without', 'with', 'intercepted']) {
      expect(await get(`4999999/${route}`)).toMatchObject({
        status: 404,
        body: { message: 'There is no product 4999999.' },
      });
      for (const id of ['abc', '0', '-1', '1.5', '99999999999'])
        expect(await get(`${id}/${route}`)).toMatchObject({ status: 400 });
    }
    expect((await fetch(`${url!}/products/7/cache`, { method: 'DELETE' })).status).toBe(204);

    const second = await start(['--once']).ends();
    expect(second).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Another sample app \(process \d+\) uses .+\n$/),
    });

    const { pid, port } = serverIn(folder)!;
    const databaseUrl = `postgres://postgres:sample@127.0.0.1:${port}/postgres`;
    const other = await start(['--once', '--requests', '5'], { DATABASE_URL: databaseUrl }).ends();
    expect(other).toMatchObject({ code: 0, stderr: '' });
    expect(other.stdout).toContain(`PostgreSQL  postgres://127.0.0.1:${port}/postgres`);
    expect(queriesIn(other.stdout)).toMatchObject({ with: 1, intercepted: 1 });

    await sample.interrupt('SIGKILL');
    expect(isRunning(pid)).toBe(true);
    expect(await start(['--once', '--requests', '5']).ends()).toMatchObject({ code: 0, stderr: '' });
    expect(isRunning(pid)).toBe(false);
  });
});

describe('The sample app says in one line what keeps it from starting', () => {
  test.each([
    {
      when: 'no requests',
      args: ['--requests', '0'],
      says: '--requests must be a whole number from 1 to 10000, not "0".',
    },
    {
      when: 'a negative number of requests',
      args: ['--requests', '-5'],
      says: '--requests must be a whole number from 1 to 10000, not "-5".',
    },
    {
      when: 'requests that are no number',
      args: ['--requests', 'many'],
      says: '--requests must be a whole number from 1 to 10000, not "many".',
    },
    {
      when: 'an unknown option',
      args: ['--twice'],
      says: "Unknown option '--twice'. Run with --help to see the options.",
    },
    {
      when: 'an unreachable DATABASE_URL',
      args: [],
      environment: { DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/shop' },
      says: 'PostgreSQL cannot be reached at DATABASE_URL postgres://127.0.0.1:1/shop: connect ECONNREFUSED 127.0.0.1:1. Unset DATABASE_URL to use the embedded one.',
    },
    {
      when: 'a DATABASE_URL that is none',
      args: [],
      environment: { DATABASE_URL: 'localhost' },
      says: 'DATABASE_URL must be a URL that starts with postgres:// or postgresql://.',
    },
    {
      when: 'an unreachable REDIS_URL',
      args: [],
      environment: { REDIS_URL: 'redis://:secret@127.0.0.1:1' },
      says: 'Redis cannot be reached at REDIS_URL redis://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1. Unset REDIS_URL to cache in memory.',
    },
  ])('$when', async ({ args, environment, says }) => {
    const { code, stderr } = await start(args, environment).ends();
    expect({ code, stderr }).toEqual({ code: 1, stderr: `${says}\n` });
  });

  test('a busy port', async () => {
    const neighbour = createServer().listen(0);
    await once(neighbour, 'listening');
    const { port } = neighbour.address() as AddressInfo;
    const { code, stderr } = await start(['--port', String(port)]).ends();
    neighbour.close();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `Port ${port} is in use. Choose another one with --port or PORT.\n`,
    });
  });
});
