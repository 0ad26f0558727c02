import { UnshareableResultError, type ErrorPlace } from '../core/errors.js';

/**
 * What a value is that can be read only once, in words; undefined for anything that can be shared. By shape, because
 * such values come from other realms and other copies of their libraries.
 */
export function singleUseKind(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const shape = value as Record<string | symbol, unknown>;
  switch (Object.prototype.toString.call(value)) {
    case '[object Response]':
      return 'a Response';
    case '[object Request]':
      return 'a Request';
    case '[object ReadableStream]':
      return 'a ReadableStream';
  }
  if (typeof shape.pipe === 'function' && typeof shape.on === 'function') return 'a stream';
  if (typeof shape.getStream === 'function') return 'a StreamableFile';
  if (typeof shape.next === 'function') {
    if (Symbol.asyncIterator in shape) return 'an async iterator';
    if (Symbol.iterator in shape) return 'an iterator';
  }
  return undefined;
}

/** Gives the value to a follower, unless only one caller can have it. */
export function shareable<T>(value: T, place: () => ErrorPlace): T {
  const kind = singleUseKind(value);
  if (kind !== undefined) throw new UnshareableResultError(place(), kind);
  return value;
}

/** Lets go of what a value that can be read only once reads from, such as an open file: nobody will read it. */
export function release(value: unknown): void {
  if (singleUseKind(value) === undefined) return;
  const { getStream, body } = value as { getStream?: () => unknown; body?: unknown };
  const source = (getStream?.call(value) ?? body ?? value) as Partial<Source>;
  // A file that is still being opened may fail later.
  source.on?.('error', ignore);
  if (source.destroy !== undefined) source.destroy();
  // One that is being read by somebody cannot be cancelled.
  else if (source.cancel !== undefined) source.cancel().catch(ignore);
  else void source.return?.();
}

interface Source {
  on(event: 'error', listener: () => void): unknown;
  destroy(): unknown;
  cancel(): Promise<void>;
  return(): unknown;
}

function ignore(): void {
  // Nobody is there to be told.
}
