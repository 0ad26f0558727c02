import type { CallHandler } from '@nestjs/common';
import type { Observer } from 'rxjs';
import { Ending, type Execution } from '../core/adopt.js';
import type { Flight, FlightRecord } from '../core/flight.js';
import { isAnswered, whenAnswered, type HttpResponse } from './http-exchange.js';
import { landedWith, NOT_SHARED, type Landed } from './landed.js';
import { before, isAnswerAlone, isUnchanged, NOTHING, recordSince, type Before, type Replay } from './replay.js';
import type { RequestKey } from './request-key.js';
import type { Route } from './route.js';
import { release, singleUseKind } from './single-use.js';

/** What a group knows of the flight that it hands to a function. */
export type Boarded = Pick<FlightRecord<unknown>, 'shared' | 'limits' | 'keyed'>;

/** The request that leads: its own handler runs, and may write to its own response. */
export interface Leading {
  readonly route: Route;
  readonly response: HttpResponse;
  readonly next: CallHandler;
  /** As it was sent. */
  readonly url: string;
  /** Whether its client went away before it was answered. */
  readonly gone: boolean;
  /** Its response before the first handler ran for it; undefined where this is the first. */
  readonly initial: Before | undefined;
}

/**
 * The one run of a handler for everybody aboard a flight: what that came to, and what it did to its response. The flight
 * ends when the handler does, not a microtask later, so that nobody joins what was recorded for those who were aboard.
 */
export class HandlerRun extends Ending {
  /** Whether the handler has ended. Written once. */
  over = false;
  /** What the handler came to, where only the request that leads may have it. Written once, when it has ended. */
  own: readonly unknown[] | undefined = undefined;
  /** What is to be done when the handler has ended. Written once, by who waits for that. */
  onOver: (() => void) | undefined = undefined;
  /** What others replay of it. Written once, when it has ended. */
  recorded: Replay | undefined = undefined;
  /** With what the handler failed, where others try again. Written once, when it has ended. */
  failure: { readonly error: unknown } | undefined = undefined;
  /** The response before the handler ran, or ran first. */
  readonly initial: Before;
  private readonly values: unknown[] = [];
  /** Set once somebody outside has taken the response over, by {@link takeOver}. */
  private taken: Taken | undefined = undefined;
  /** Written once, when the handler is started. */
  private execution!: Execution;
  /** Whether the handler is being started. Written once, when it has been. */
  private starting = true;

  /** @param key whose flight it is, where its end is the end of that too */
  constructor(
    private readonly leading: Leading,
    readonly flight: Flight<unknown>,
    private readonly boarded: Boarded,
    private readonly key?: RequestKey,
  ) {
    super();
    this.initial = leading.initial ?? before(leading.response);
  }

  /** Whether others may still join its flight. */
  get joinable(): boolean {
    return !this.over && this.boarded.keyed;
  }

  /** Runs the handler. */
  begin(execution: Execution): void {
    this.execution = execution;
    try {
      this.leading.next.handle().subscribe(new Listening(this));
    } catch (error) {
      this.failed(error);
    }
    this.starting = false;
  }

  emitted(value: unknown): void {
    this.values.push(value);
  }

  completed(): void {
    if (this.starting) {
      // Heard when a promise would be: those who ask in the same tick have joined by then.
      queueMicrotask(() => {
        this.completed();
      });
      return;
    }
    this.end(this.record());
  }

  failed(error: unknown): void {
    if (this.starting) {
      queueMicrotask(() => {
        this.failed(error);
      });
      return;
    }
    this.end(this.ownFailure(error), error);
  }

  /**
   * Whoever stands outside, a time limit say, does not wait for the answer any more and gives its own; or its own wait
   * has taken too long. Headers are then no longer the handler's alone.
   */
  takeOver(): void {
    if (this.taken === undefined && !this.over) this.taken = new Taken(this.initial, this.leading);
  }

  private end(landed: Landed | undefined, error?: unknown): void {
    this.over = true;
    if (this.key !== undefined) {
      // What nobody may have does not linger.
      this.leading.route.keys.delete(this.key, landed?.replay === undefined ? 0 : this.boarded.limits.lingerMs);
    }
    this.execution.end(landed !== undefined, landed ?? error);
    this.onOver?.();
  }

  private record(): Landed {
    const { values, leading, taken } = this;
    const { shared, limits } = this.boarded;
    const readable = values.every((value) => singleUseKind(value) === undefined);
    // Where nobody has joined and nobody will, there is no one to replay it to.
    const wanted = shared || limits.lingerMs > 0;
    const record = readable && wanted ? this.recordNow() : undefined;
    this.recorded = record;
    if (record !== undefined) return landedWith(values, record, limits);
    this.own = values;
    if (leading.gone || taken !== undefined) values.forEach(release);
    if (!readable) leading.route.restAlone();
    else if (wanted && this.isOwnDoing) leading.route.restAloneAt(leading.url);
    return NOT_SHARED;
  }

  /** Whether it is the handler that made its answer one that nobody shares, and not somebody outside. */
  private get isOwnDoing(): boolean {
    const { gone, route, response } = this.leading;
    return this.taken === undefined && !gone && (route.passthrough || !isAnswered(response));
  }

  private recordNow(): Replay | undefined {
    if (this.taken !== undefined) return this.taken.recordNow();
    const { response } = this.leading;
    // A handler that has answered by itself has returned something else, or nothing.
    return isAnswered(response) ? undefined : recordSince(this.initial, response);
  }

  /** It may have failed because its own client was answered meanwhile, by a time limit outside: others try again. */
  private ownFailure(error: unknown): Landed | undefined {
    const { route, response } = this.leading;
    if (!(route.passthrough || cameTooLate(error)) || !isAnswered(response)) return undefined;
    this.failure = { error };
    return NOT_SHARED;
  }
}

/**
 * A response that somebody outside has taken over while its handler ran on. Nobody can tell then who writes what, so that
 * its followers get what the handler comes to only where nobody but the answer from outside writes to it.
 */
class Taken {
  /** Whether nobody has written to it. */
  private clean: boolean;
  /** As it was taken over. Written again when it is answered from outside. */
  private known: Before;

  constructor(
    private readonly initial: Before,
    private readonly leading: Leading,
  ) {
    const { route, response } = leading;
    this.known = before(response);
    this.clean = !route.passthrough && !isAnswered(response) && isUnchanged(initial, response);
    if (this.clean) {
      whenAnswered(response, () => {
        this.clean &&= isAnswerAlone(this.known, response);
        this.known = before(response);
      });
    }
  }

  recordNow(): Replay | undefined {
    const { gone, response } = this.leading;
    if (this.clean && isUnchanged(this.known, response)) return NOTHING;
    // Its client has gone, and nobody has answered instead: all that was written is the handler's.
    return gone && !isAnswered(response) ? recordSince(this.initial, response) : undefined;
  }
}

/** What Node says of something that was written to a response that was under way to its client, or is not any more. */
const TOO_LATE: ReadonlySet<unknown> = new Set([
  'ERR_HTTP_HEADERS_SENT',
  'ERR_HTTP2_HEADERS_SENT',
  'ERR_HTTP2_INVALID_STREAM',
]);

function cameTooLate(error: unknown): boolean {
  return TOO_LATE.has((error as { code?: unknown } | null | undefined)?.code);
}

/** Hears a handler. Apart from its run: RxJS may be told to call observers as objects made after them. */
class Listening implements Observer<unknown> {
  constructor(private readonly run: HandlerRun) {}

  next(value: unknown): void {
    this.run.emitted(value);
  }

  error(error: unknown): void {
    this.run.failed(error);
  }

  complete(): void {
    this.run.completed();
  }
}
