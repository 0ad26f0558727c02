export { PostgresEngine } from './postgres-engine.js';
export type { PostgresEngineOptions } from './options.js';
export type { PostgresPlace } from './names.js';
export type { PostgresClient, PostgresNotification, PostgresPool } from './pool.js';
export { postgresEngineSql } from './schema.js';
