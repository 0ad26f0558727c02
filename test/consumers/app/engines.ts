import type { FlightEngine } from 'nestjs-singleflight/fleet';
import { PostgresEngine, type PostgresPool } from 'nestjs-singleflight/postgres';
import { RedisEngine, type RedisClient } from 'nestjs-singleflight/redis';

/** The types of the engines need none of their clients' types, which are not installed here. */
export const engineOfPool = (pool: PostgresPool): FlightEngine => new PostgresEngine({ pool });
export const engineOfClient = (client: RedisClient): FlightEngine => new RedisEngine({ client });
