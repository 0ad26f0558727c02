import { UnshareableResultError, type ErrorPlace } from '../core/errors.js';

/**
 * What a value is that can be read only once, in words; undefined for anything that can be shared. By shape, because
 * such values come from other realms and other copies of their libraries.
 */
export function singleUseKind(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    return kindOf(value as Record<string | symbol, unknown>);
  } catch {
    // One that refuses to be asked what it does not know, as a strict proxy does, is nothing of what is known here.
    return undefined;
  }
}

function kindOf(shape: Record<string | symbol, unknown>): string | undefined {
  switch (Object.prototype.toString.call(shape)) {
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
  try {
    close(value as object);
  } catch {
    // Nobody is there to be told.
  }
}

function close(value: { getStream?: () => unknown; body?: unknown }): void {
  const source = (value.getStream?.() ?? value.body ?? value) as Partial<Source>;
  // A file that is still being opened may fail later.
  source.on?.('error', ignore);
  if (source.destroy !== undefined) source.destroy();
  // One that is being read by somebody cannot be cancelled.
  else if (source.cancel !== undefined) source.cancel().catch(ignore);
  else Promise.resolve(source.return?.()).catch(ignore);
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
