export { RedisEngine } from './redis-engine.js';
export type { RedisClient, RedisEngineOptions } from './options.js';
export type { IoredisClient } from './ioredis-client.js';
export type { NodeRedisClient } from './node-redis-client.js';
