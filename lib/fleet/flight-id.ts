import { createHash } from 'node:crypto';

/** Enough of a hash that two ids never meet by chance: 144 bits. */
const ID_LENGTH = 24;

/**
 * What the engine calls a flight: a hash of app, version, the flight's name and the key, each with its length, so that
 * no two of them run into each other. Over UTF-16 code units: UTF-8 would make one of two different lone surrogates. No
 * key ever reaches an engine; where keys can be guessed, an engine with a secret (`RedisEngine`) maps ids by HMAC.
 */
export function flightId(app: string, version: string, name: string, key: string): string {
  const hash = createHash('sha256');
  for (const part of [app, version, name, key]) hash.update(`${part.length}:`).update(part, 'utf16le');
  return hash.digest('base64url').slice(0, ID_LENGTH);
}
