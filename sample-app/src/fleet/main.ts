// `npm run demo:fleet`: as many processes as are asked for, one Redis, one PostgreSQL, and a key that expires in all.
import 'reflect-metadata';
import { BreakdownError, PRODUCT } from '../breakdown/breakdown.js';
import { Closing } from '../closing.js';
import { Database } from '../database/database.js';
import { progressBar } from '../database/progress-bar.js';
import { seed } from '../database/seed.js';
import { FLEET_HELP, readFleetOptions, type FleetDemoOptions } from '../options.js';
import { withoutSecrets } from '../reason.js';
import { StartupError } from '../startup-error.js';
import { MemberProcess } from './member-process.js';
import { serveAsMember } from './member.js';
import { fleetTableOf, playFleet } from './play.js';
import { FleetRedis } from './redis-server.js';

if (process.argv[2] === '--member') {
  // Ctrl-C reaches the whole group of processes; the one that plays says when to close.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);
  await serveAsMember(process.env.DATABASE_URL ?? '', process.env.REDIS_URL ?? '');
} else {
  const closing = new Closing();
  try {
    const options = readFleetOptions(process.argv.slice(2), process.env);
    if (options.help) console.log(FLEET_HELP);
    else await runFleet(options, closing);
  } catch (error) {
    process.exitCode = closing.interrupted.aborted ? 130 : 1;
    const isKnown = error instanceof StartupError || error instanceof BreakdownError;
    if (!closing.interrupted.aborted) console.error(isKnown ? error.message : error);
  }
  await closing.closeAll();
}
process.exit();

async function runFleet(options: FleetDemoOptions, closing: Closing): Promise<void> {
  const { databaseUrl, dataFolder, processes, requests } = options;
  const redis = await closing.open(FleetRedis.open(options.redisUrl));
  console.log(`Redis       ${withoutSecrets(redis.url)}`);
  const database = await closing.open(
    databaseUrl === undefined ? Database.embedded(dataFolder) : Database.at(databaseUrl),
  );
  console.log(`PostgreSQL  ${database.description}`);
  await seed(database.pool, progressBar(), closing.interrupted);
  const members = await Promise.all(
    Array.from({ length: processes }, () => closing.open(MemberProcess.start(database.url, redis.url))),
  );
  console.log(
    `\n${processes} processes, ${requests} requests to each at once for product ${PRODUCT}, whose cache entry has just expired in all.\n`,
  );
  console.log(fleetTableOf(await playFleet(members, requests, closing.interrupted)));
  console.log('Every answer held the same product. Without a fleet each process coalesces its own requests.');
}
