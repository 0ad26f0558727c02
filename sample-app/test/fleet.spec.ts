import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { startRedisServer, type RedisServer } from '../../test/support/redis-server.js';
import { buildApp, SampleProcess, serverIn, temporaryFolder, type Ended } from './support/sample-process.js';

jest.setTimeout(120_000);

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  await buildApp();
}, 180_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const demo = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  new SampleProcess(args, { SAMPLE_DATA_DIR: folder, ...environment }, 'fleet/main.js').ends();

/** Queries, answers, and those cut off, by play. */
function playsIn(stdout: string): Record<string, number[]> {
  const rows = stdout.matchAll(/│ (with[^│]+?) +│ +(\d+) │ +([\d,]+) │ +(\d+) │/g);
  return Object.fromEntries([...rows].map(([, play = '', ...figures]) => [play, figures.map(Number)]));
}

describe('The fleet of the sample app', () => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await startRedisServer();
  });
  afterAll(() => redis.stop());

  test('asks the database once for four processes, and twice when the leader is killed', async () => {
    const { code, stdout, stderr } = await demo(['--processes', '4', '--requests', '25'], { REDIS_URL: redis.url });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { 'with a fleet, its leader killed': killed, ...others } = playsIn(stdout);
    expect(others).toEqual({ 'without a fleet': [4, 100, 0], 'with a fleet': [1, 100, 0] });
    expect(killed).toEqual([2, 75, 25]);
    expect(serverIn(folder)).toBeUndefined();
  });

  test('starts a Redis of its own, and stops it', async () => {
    const { code, stdout, stderr } = await demo(['--processes', '2', '--requests', '5']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(playsIn(stdout)['with a fleet']).toEqual([1, 10, 0]);
    const [, url = ''] = /Redis +(redis:\S+)/.exec(stdout) ?? [];
    await expect(fetch(url.replace('redis:', 'http:'))).rejects.toThrow();
  });

  test.each([
    [['--processes', '1'], '--processes must be a whole number from 2 to 16, not "1".'],
    [['--process', '4'], /Unknown option '--process'.*Run with --help/],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await demo(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  test('explains itself', async () => {
    const { code, stdout } = await demo(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('npm run demo:fleet -- --processes 4');
  });
});
