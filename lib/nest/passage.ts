import type { CallHandler } from '@nestjs/common';
import type { Subscriber, Subscription, TeardownLogic, Unsubscribable } from 'rxjs';
import type { Seat } from '../core/callers.js';
import type { Flight, FlightRecord } from '../core/flight.js';
import { parcel } from '../core/isolate.js';
import { boardToLeave } from '../rx/do-chan.js';
import { Disconnect, hasGone, type Waiting } from './disconnect.js';
import { clientClosedRequest, httpError } from './http-errors.js';
import { nodeResponseOf, type HttpRequest, type HttpResponse } from './http-exchange.js';
import type { GroupKey, HttpFlights } from './http-flights.js';
import { before, recordSince, replay, type Before, type Replay } from './replay.js';
import type { RequestKey } from './request-key.js';
import type { RequestParts } from './request-parts.js';
import type { Route } from './route.js';
import { singleUseKind } from './single-use.js';
import { markAboard, type Aboard } from './travelling.js';

/** What a flight of requests comes to. Without a replay nobody but the leader may have it. */
interface Landed {
  readonly values: readonly unknown[];
  readonly replay: Replay | undefined;
}

/** What a group knows of the flight that it hands to a function. */
type Boarded = Flight<GroupKey> & Pick<FlightRecord<GroupKey>, 'shared' | 'limits'>;

const NOT_SHARED: Landed = parcel({ values: [], replay: undefined }, () => NOT_SHARED);

/** One request on its way through a flight: it leads or follows, is answered, or leaves when its client does. */
export class Passage implements Waiting, Aboard, Unsubscribable {
  /** Whether nobody waits for it any more: it was answered, has left, or somebody outside has answered. Written once. */
  over = false;
  /** The flight that it leads. Written once, when that starts. */
  flight: Boarded | undefined = undefined;
  /** Written once, before it boards. */
  private subscriber!: Subscriber<unknown>;
  /** Written once, when it has boarded. */
  private seat: Seat<Landed> | undefined = undefined;
  private disconnect: Disconnect | undefined = undefined;
  /** Whether the handler has ended, where this request leads. Written once. */
  private handled = false;
  /** What the handler came to, where only this request may have it. Written once, when the handler has ended. */
  private own: readonly unknown[] | undefined = undefined;
  /** Its response before the handler ran, where this request leads. Written once, with {@link flight}. */
  private initial: Before | undefined = undefined;
  /** What the handler had done to its response when somebody outside took that over. Written once, if that happens. */
  private taken: { readonly record: Replay | undefined } | undefined = undefined;
  /** Whether the client went away before it was answered. Written once. */
  private gone = false;
  /** What is to be done when the handler has ended. Written once, by {@link fail}. */
  private onHandled: (() => void) | undefined = undefined;
  /** The handler's run for this request alone. Written when what the leader got cannot be shared. */
  private alone: Subscription | undefined = undefined;

  constructor(
    private readonly flights: HttpFlights,
    private readonly route: Route,
    private readonly request: HttpRequest,
    readonly response: HttpResponse,
    private readonly next: CallHandler,
  ) {}

  /** Boards, and answers the subscriber; what it returns ends all that, before or after. */
  travel(parts: RequestParts, subscriber: Subscriber<unknown>): TeardownLogic {
    this.subscriber = subscriber;
    const node = nodeResponseOf(this.response);
    if (node !== undefined && hasGone(node)) {
      subscriber.error(clientClosedRequest());
      return;
    }
    markAboard(this.request, this);
    try {
      this.seat = this.board(parts);
    } catch (error) {
      this.over = true;
      subscriber.error(httpError(error, this.response));
      return;
    }
    // One that merges is enough: the share is not too narrow.
    if (this.seat.role === 'follower') this.route.overlaps = undefined;
    this.disconnect = new Disconnect(this);
    // A `then` and no shared Observable: what comes next runs in this request's own async context.
    this.seat.promise.then(
      (landed) => {
        this.land(landed);
      },
      (error: unknown) => {
        this.fail(error);
      },
    );
    return this;
  }

  /** The client has gone. */
  disconnected(): void {
    this.gone = true;
    this.seat?.abandon();
  }

  unsubscribe(): void {
    this.takeOver();
    this.over = true;
    this.disconnect?.stop();
    this.seat?.abandon();
    this.alone?.unsubscribe();
  }

  private board(parts: RequestParts): Seat<Landed> {
    const { route } = this;
    const key = route.keys.of(this.request, parts, route.overlaps);
    const lead = (flight: Flight<GroupKey>): PromiseLike<Landed> => this.lead(key, flight as Boarded);
    return boardToLeave<Landed, GroupKey>(this.flights.group, key, lead, route.options);
  }

  /** The function of the flight: runs the handler for everybody. */
  private lead(key: RequestKey, flight: Boarded): PromiseLike<Landed> {
    this.flight = flight;
    this.initial = before(this.response);
    this.route.keys.add(key);
    // No promise: the flight ends when the handler does, not a microtask later, so that nobody joins what was recorded
    // for those who were aboard.
    const then = (resolve: (landed: Landed) => void, reject: (error: unknown) => void): void => {
      this.handle((values, error) => {
        this.route.keys.delete(key);
        this.handled = true;
        if (values !== undefined) resolve(this.record(values, flight));
        // It may have failed because its own client was answered meanwhile, by a time limit outside: others try again.
        else if (this.route.passthrough && nodeResponseOf(this.response)?.headersSent === true) resolve(NOT_SHARED);
        else reject(error);
        this.onHandled?.();
      });
    };
    return { then } as PromiseLike<Landed>;
  }

  /** Runs the handler; calls back once, with all its values or the error with which it ended. */
  private handle(ended: (values: readonly unknown[] | undefined, error?: unknown) => void): void {
    const values: unknown[] = [];
    this.next.handle().subscribe({
      next: (value: unknown) => {
        values.push(value);
      },
      error: (error: unknown) => {
        ended(undefined, error);
      },
      complete: () => {
        ended(values);
      },
    });
  }

  /**
   * Whoever stands outside, a time limit say, does not wait for the answer any more and gives its own. Headers are then
   * no longer the handler's; one that sets them itself may come too late.
   */
  private takeOver(): void {
    if (this.initial === undefined || this.taken !== undefined || this.handled) return;
    this.taken = { record: this.route.passthrough ? undefined : recordSince(this.initial, this.response) };
  }

  private record(values: readonly unknown[], { shared, limits }: Boarded): Landed {
    const readable = values.every((value) => singleUseKind(value) === undefined);
    // Where nobody has joined and nobody will, there is no one to replay it to.
    const wanted = shared || limits.lingerMs > 0;
    const record = readable && wanted ? this.recordNow() : undefined;
    if (record !== undefined) return landedWith(values, record, limits);
    this.own = values;
    if (!readable || (wanted && this.taken === undefined)) this.route.restAlone();
    return NOT_SHARED;
  }

  private recordNow(): Replay | undefined {
    if (this.taken !== undefined) return this.taken.record;
    return this.initial === undefined ? undefined : recordSince(this.initial, this.response);
  }

  private land(landed: Landed): void {
    const { subscriber } = this;
    // Answered meanwhile, by whoever stands outside.
    if (subscriber.closed) return;
    if (this.own === undefined && landed.replay === undefined) {
      this.alone = this.next.handle().subscribe(subscriber);
      return;
    }
    if (this.flight === undefined && landed.replay !== undefined) replay(landed.replay, this.response);
    for (const value of this.own ?? landed.values) subscriber.next(value);
    subscriber.complete();
  }

  private fail(error: unknown): void {
    if (!this.gone) {
      this.subscriber.error(httpError(error, this.response));
      return;
    }
    const closed = (): void => {
      this.subscriber.error(clientClosedRequest());
    };
    // While the handler runs on for others, its response must not be written: it may set headers on it.
    if (this.flight === undefined || this.handled) closed();
    else this.onHandled = closed;
  }
}

/** What all may have; of it, the values alone are isolated. */
function landedWith(values: readonly unknown[], replay: Replay, { handOut }: Boarded['limits']): Landed {
  const landed = { values, replay };
  if (handOut === undefined) return landed;
  return parcel(landed, (isolate) => ({ values: values.map((value) => isolate(value)), replay }));
}
