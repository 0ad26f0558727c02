import { existsSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reasonOf } from '../reason.js';
import { StartupError } from '../startup-error.js';

/** The folder in which the embedded PostgreSQL lives, held by one sample app at a time. */
export class DataFolder {
  /** The cluster itself. */
  readonly cluster: string;
  /** Where initdb works: moved to `cluster` when it is done, so that a cluster is never half made. */
  readonly unfinishedCluster: string;
  private readonly owner: string;

  private constructor(readonly path: string) {
    this.cluster = join(path, 'postgres');
    this.unfinishedCluster = join(path, 'postgres.unfinished');
    this.owner = join(path, 'sample-app.pid');
  }

  static async take(path = join(projectFolder(), 'sample-app', 'data')): Promise<DataFolder> {
    try {
      await mkdir(path, { recursive: true });
      // Spelled in one way only: the path tells our own server from another one.
      const folder = new DataFolder(await realpath(path));
      await folder.claim();
      return folder;
    } catch (error) {
      if (error instanceof StartupError) throw error;
      throw new StartupError(`The data folder ${path} cannot be used: ${reasonOf(error)}. ${ANOTHER_FOLDER}`);
    }
  }

  async giveBack(): Promise<void> {
    await rm(this.owner, { force: true });
  }

  private async claim(): Promise<void> {
    try {
      const file = await open(this.owner, 'wx');
      await file.writeFile(`${process.pid}\n`);
      await file.close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = Number.parseInt(await readFile(this.owner, 'utf8'), 10);
      if (isAnotherProcess(holder)) {
        throw new StartupError(
          `Another sample app (process ${holder}) uses ${this.path}. Stop it, or give this one a folder of its own with SAMPLE_DATA_DIR. If there is none, delete ${this.owner}.`,
        );
      }
      // Left behind by a sample app that was killed.
      await rm(this.owner, { force: true });
      await this.claim();
    }
  }
}

export const ANOTHER_FOLDER =
  'Choose another folder with SAMPLE_DATA_DIR, or use a PostgreSQL of yours with DATABASE_URL.';

function isAnotherProcess(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The same folder for the TypeScript sources and for what is compiled from them. */
function projectFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
