import { UnshareableResultError, type ErrorPlace } from '../core/errors.js';
import { inspectThrown } from '../core/inspect.js';
import type { Codec } from './codec.js';
import { PayloadTooLargeError } from './errors.js';
import { opened, sealed, type EnvelopeKind } from './envelope.js';
import { isError, type ErrorCodec } from './error-codec.js';

/** How a flight ended, as another process gets to know it; `none`: it has to run the function itself. */
export type Outcome =
  { readonly kind: 'settled'; readonly ok: boolean; readonly outcome: unknown } | { readonly kind: 'none' };

const NONE: Outcome = { kind: 'none' };

/** The word that a result cannot be carried: always this very one. */
export const UNSHAREABLE: Uint8Array = sealed({ kind: 'unshareable', codec: '', body: new Uint8Array(0) });

/** Packs how flights end for the other processes, and unpacks how theirs did. Never throws; warns once per flight name. */
export class Cargo {
  private readonly warned = new Set<string>();

  constructor(
    private readonly codec: Codec,
    private readonly errors: ErrorCodec,
    private readonly engine: { readonly name: string; readonly limits: { readonly maxPayloadBytes: number } },
  ) {}

  /** What cannot be carried is packed as the word that it cannot. */
  pack(ok: boolean, outcome: unknown, name: string, place: () => ErrorPlace): Uint8Array {
    try {
      const payload = this.sealedOutcome(ok, outcome, place);
      const { maxPayloadBytes } = this.engine.limits;
      if (payload.length <= maxPayloadBytes) return payload;
      throw new PayloadTooLargeError(this.engine.name, payload.length, maxPayloadBytes);
    } catch (error) {
      return this.unshareable(error, name, ok);
    }
  }

  /** The word that a result cannot be carried, and why not, for whoever reads warnings. */
  unshareable(error: unknown, name: string, ok = true): Uint8Array {
    this.warn(
      name,
      `The flight '${name}' cannot be shared with the other processes of the fleet, which run its function themselves: ` +
        (error instanceof UnshareableResultError
          ? `it came back with ${error.what}.${remedyFor(error, ok)}`
          : describe(error)),
    );
    return UNSHAREABLE;
  }

  unpack(payload: Uint8Array, name: string, place: () => ErrorPlace): Outcome {
    try {
      const { kind, codec, body } = opened(payload);
      if (kind === 'unshareable') return NONE;
      if (kind === 'error') return { kind: 'settled', ok: false, outcome: this.errors.decode(body, place()) };
      if (codec !== this.codec.name)
        throw new TypeError(`it is of the codec '${codec}', and here is '${this.codec.name}'`);
      return { kind: 'settled', ok: kind === 'value', outcome: this.codec.decode(body) };
    } catch (error) {
      this.warn(
        name,
        `A result of the flight '${name}' from another process cannot be read, so that this one runs the function ` +
          `itself: ${describe(error)} Set \`version\` where two releases do not understand each other.`,
      );
      return NONE;
    }
  }

  private sealedOutcome(ok: boolean, outcome: unknown, place: () => ErrorPlace): Uint8Array {
    if (!ok && isError(outcome)) return sealed({ kind: 'error', codec: '', body: this.errors.encode(outcome, place) });
    const kind: EnvelopeKind = ok ? 'value' : 'thrown';
    return sealed({ kind, codec: this.codec.name, body: this.codec.encode(outcome, place) });
  }

  private warn(name: string, message: string): void {
    if (this.warned.has(name)) return;
    this.warned.add(name);
    process.emitWarning(message, { type: 'SingleFlightWarning' });
  }
}

/** What helps where an instance of a class came back; not where it was thrown with an error, which the codec does not carry. */
function remedyFor({ what, obstacle }: UnshareableResultError, ok: boolean): string {
  if (!ok || obstacle !== 'instance') return '';
  const className = /^an instance of ([\w$]+)(?: at |$)/.exec(what)?.[1] ?? '…';
  return ` Return a plain object, or register the class: structuredCodec({ classes: [{ class: ${className} }] }).`;
}

function describe(error: unknown): string {
  const text = isError(error) ? error.message : inspectThrown(error);
  return text.endsWith('.') ? text : `${text}.`;
}
