import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import type { DataFolder } from './data-folder.js';
import { PASSWORD, USER } from './embedded-postgres.js';

/** A sample app that was killed leaves its server running: it still holds our folder, and would keep it for ever. */
export async function stopOrphan(folder: DataFolder): Promise<void> {
  const note = await readFile(join(folder.cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid, , , port] = note.split('\n');
  if (pid === undefined || port === undefined) return;
  // The process id may belong to another program by now: only a server that names our folder is stopped.
  if ((await dataFolderServedOn(Number(port))) !== folder.cluster) return;
  process.kill(Number(pid), 'SIGINT');
  for (const deadline = Date.now() + 10_000; isAlive(Number(pid)) && Date.now() < deadline;) await setTimeout(20);
}

async function dataFolderServedOn(port: number): Promise<string | undefined> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: USER,
    password: PASSWORD,
    database: 'postgres',
    connectionTimeoutMillis: 2000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return resolve(rows[0]?.data_directory ?? '');
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
