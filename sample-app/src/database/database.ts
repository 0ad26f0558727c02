import pg from 'pg';
import { reasonOf, withoutSecrets } from '../reason.js';
import { StartupError } from '../startup-error.js';
import { DataFolder } from './data-folder.js';
import { EmbeddedServer } from './embedded-server.js';

const POOL_SIZE = 10;

/** A pool of connections to the embedded PostgreSQL, or to the one at `DATABASE_URL`. */
export class Database {
  private constructor(
    readonly pool: pg.Pool,
    /** For another process. It may hold a password. */
    readonly url: string,
    readonly description: string,
    private readonly server?: EmbeddedServer,
    private readonly folder?: DataFolder,
  ) {}

  static async at(url: string): Promise<Database> {
    await probe(url);
    return new Database(openPool(url), url, withoutSecrets(url));
  }

  static async embedded(path?: string): Promise<Database> {
    const folder = await DataFolder.take(path);
    let server: EmbeddedServer | undefined;
    try {
      server = await EmbeddedServer.start(folder);
      const pool = openPool(server.url);
      // Only here: a database of yours is asked for its counters, but not given an extension.
      await pool.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
      return new Database(pool, server.url, `embedded, data in ${folder.path}`, server, folder);
    } catch (error) {
      await server?.stop();
      await folder.giveBack();
      throw error;
    }
  }

  async close(): Promise<void> {
    // In this order: a server that stops under open connections breaks them.
    await this.pool.end();
    await this.server?.stop();
    await this.folder?.giveBack();
  }

  async closeAtOnce(): Promise<void> {
    await this.server?.stopAtOnce();
    await this.folder?.giveBack();
  }
}

function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: POOL_SIZE });
  // A connection that breaks fails its query; without listeners it would end the process as well.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  return pool;
}

async function probe(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (error) {
    throw new StartupError(
      `PostgreSQL cannot be reached at DATABASE_URL ${withoutSecrets(url)}: ${reasonOf(error)}. Unset DATABASE_URL to use the embedded one.`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}
