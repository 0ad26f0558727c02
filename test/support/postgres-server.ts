import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolder } from '../../sample-app/src/database/data-folder.js';
import { EmbeddedServer } from '../../sample-app/src/database/embedded-server.js';

export interface PostgresServer {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * A real PostgreSQL: the one at `DATABASE_URL` (it is shared, so use a schema of your own and clean up; `stop()` leaves it
 * alone), otherwise an empty one of our own, on a free port of 127.0.0.1; always that for who means to break it.
 */
export async function startPostgresServer({ own = false } = {}): Promise<PostgresServer> {
  const given = process.env.DATABASE_URL;
  if (!own && given !== undefined && given !== '') return { url: given, stop: () => Promise.resolve() };
  const path = await mkdtemp(join(tmpdir(), 'singleflight-postgres-'));
  // The user who runs PostgreSQL, who is not root, has to enter it.
  await chmod(path, 0o755);
  const folder = await DataFolder.take(path);
  const server = await EmbeddedServer.start(folder);
  const [pid = ''] = (await readFile(join(folder.cluster, 'postmaster.pid'), 'utf8')).split('\n');
  const guard = startGuard(pid, path);
  return {
    url: server.url,
    async stop() {
      await server.stop();
      guard.kill('SIGKILL');
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Ends the server when its input closes: when the process of the tests is gone, however it went. */
function startGuard(pid: string, path: string) {
  const program = 'read -r _; while kill -QUIT "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"';
  const guard = spawn('/bin/sh', ['-c', program, 'sh', pid, path], { stdio: ['pipe', 'ignore', 'ignore'] });
  guard.unref();
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  return guard;
}
