import { on, SingleFlightError, type ErrorPlace } from '../core/errors.js';
import { inspectThrown } from '../core/inspect.js';

/** What went wrong with an engine, and where, as far as that is known. */
export interface EngineErrorFacts {
  readonly place?: ErrorPlace | undefined;
  readonly cause?: unknown;
}

/** The engine refused, or cannot be reached: nothing was changed there. */
export class EngineUnavailableError extends SingleFlightError {
  constructor(
    /** The engine's name. */
    readonly engine: string,
    { place = {}, cause }: EngineErrorFacts = {},
  ) {
    super(
      'EngineUnavailableError',
      'ERR_SINGLEFLIGHT_ENGINE_UNAVAILABLE',
      `The engine '${engine}' is not available${on(place)}${because(cause)}. Retry later, or set \`whenDown\` to ` +
        "'local' to run functions once per process as long as it is down.",
      place,
      { cause },
    );
  }
}

/** The engine did not answer in time: what was asked for may have been done, or may be done yet. */
export class EngineTimeoutError extends SingleFlightError {
  constructor(
    /** The engine's name. */
    readonly engine: string,
    /** The verb that it did not answer, such as `join`. */
    readonly operation: string,
    /** How long it had, in milliseconds. */
    readonly timeoutMs: number,
    { place = {}, cause }: EngineErrorFacts = {},
  ) {
    super(
      'EngineTimeoutError',
      'ERR_SINGLEFLIGHT_ENGINE_TIMEOUT',
      `The engine '${engine}' did not answer \`${operation}\` within ${timeoutMs} ms${on(place)}: the outcome is ` +
        "unknown. Retry later, raise `operationTimeoutMs` and `degradeAfterMs`, or set `whenDown` to 'local'.",
      place,
      { cause },
    );
  }
}

/** The result is larger than the engine takes: the other processes run the function themselves. */
export class PayloadTooLargeError extends SingleFlightError {
  constructor(
    /** The engine's name. */
    readonly engine: string,
    /** How large the result is, encoded. */
    readonly bytes: number,
    readonly maxPayloadBytes: number,
  ) {
    super(
      'PayloadTooLargeError',
      'ERR_SINGLEFLIGHT_PAYLOAD_TOO_LARGE',
      `The result takes ${bytes} bytes, and the engine '${engine}' carries ${maxPayloadBytes} at most. Return less, ` +
        'raise the limit, or do not share this flight with the fleet.',
    );
  }
}

/** The leader's lease is over and another process leads: the reason of `flight.signal`. */
export class LeaseLostError extends SingleFlightError {
  constructor(
    place: ErrorPlace,
    /** The fence of the leader that lost it. */
    readonly fence: bigint,
  ) {
    super(
      'LeaseLostError',
      'ERR_SINGLEFLIGHT_LEASE_LOST',
      `This process leads the flight no more${on(place)}: it was paused, or cut off from the engine, for longer than ` +
        'its lease. Stop the function, or let what it writes to refuse a fence below the highest it has seen.',
      place,
    );
  }
}

/** The function failed in another process, with an error of a class that is not registered with the fleet. */
export class RemoteError extends SingleFlightError {
  constructor(
    place: ErrorPlace,
    /** The name of the error there. */
    readonly remoteName: string,
    /** Its message. */
    readonly remoteMessage: string,
    /** Its code, if it had one. */
    readonly remoteCode?: string | number,
  ) {
    super(
      'RemoteError',
      'ERR_SINGLEFLIGHT_REMOTE',
      `The function failed in another process${on(place)}: ${remoteName}: ${remoteMessage}. Register the error's class ` +
        'with `errors` to get it as itself.',
      place,
    );
  }
}

/** Why an engine cannot be had, without what its error advises: for a line that says what is done meanwhile. */
export function outageReason(error: unknown): string {
  if (error instanceof EngineTimeoutError) return `no answer to \`${error.operation}\` within ${error.timeoutMs} ms`;
  if (!(error instanceof EngineUnavailableError)) return inspectThrown(error);
  const { cause } = error;
  if (cause === undefined) return 'it is not available';
  // Of several addresses that refuse Node makes an AggregateError, whose message is empty.
  const { message, code } = cause as { message?: unknown; code?: unknown };
  const reason = [message, code].find((text) => typeof text === 'string' && text !== '');
  return typeof reason === 'string' ? reason : inspectThrown(cause);
}

function because(cause: unknown): string {
  return cause instanceof Error ? ` (${cause.message})` : '';
}
