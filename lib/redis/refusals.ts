import { isServerError } from './connection.js';

/** What the server says, by the word it begins with, and what to do about it. */
const SENTENCES: Readonly<Record<string, string>> = {
  OOM: 'Redis is out of memory, `maxmemory`, and takes no more writes: give it more, or let it evict',
  READONLY: 'the client is connected to a replica: after a failover let it connect to the new master',
  CLUSTERDOWN: 'the cluster is down: not all of its slots are served',
  LOADING: 'Redis is loading its data from the disk',
  MASTERDOWN: 'the replica has lost its master',
  MISCONF: 'Redis cannot save to the disk and refuses writes',
  NOREPLICAS: 'Redis has fewer replicas than `min-replicas-to-write` and refuses writes',
  BUSY: 'a script of somebody else blocks Redis',
  TRYAGAIN: 'slots of the cluster are being moved',
  NOAUTH: 'Redis wants a password',
  WRONGPASS: 'user or password is wrong',
  NOPERM: 'the ACL of its user does not allow it',
  WRONGTYPE: 'somebody else uses keys with the same `prefix`',
};

/** Why it was refused, as one sentence; the client's error is its cause. */
export function refusalOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const word = wordOf(error);
  const sentence = word === undefined ? undefined : SENTENCES[word];
  return sentence === undefined ? error : new Error(`${sentence}: ${error.message}`, { cause: error });
}

/** NOPERM and OOM come out of a script inside of another sentence, which depends on the version. */
function wordOf(error: Error): string | undefined {
  if (/\bNOPERM\b|has no permissions|No permissions|can't run this command|ACL failure/i.test(error.message)) {
    return 'NOPERM';
  }
  if (/\bOOM\b/.test(error.message)) return 'OOM';
  return isServerError(error) ? error.message.slice(0, error.message.indexOf(' ')) : undefined;
}
