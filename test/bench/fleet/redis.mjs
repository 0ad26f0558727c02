// The client that the library is tested with; the peers bring one of their own.
import { createRequire } from 'node:module';

const { Redis } = createRequire(new URL('../../../package.json', import.meta.url))('ioredis');

export function connect(port) {
  // Servers are killed on purpose.
  return new Redis(port).on('error', () => undefined);
}
