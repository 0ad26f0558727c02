import type { CallHandler } from '@nestjs/common';
import { lastValueFrom, toArray, type Subscriber, type Subscription, type TeardownLogic } from 'rxjs';
import type { Seat } from '../core/callers.js';
import type { Flight, FlightRecord } from '../core/flight.js';
import { boardToLeave } from '../rx/do-chan.js';
import { flightOf } from './flight-signal.decorator.js';
import { clientClosedRequest, httpError } from './http-errors.js';
import { nodeResponseOf, onDisconnect, type HttpRequest, type HttpResponse } from './http-exchange.js';
import type { HttpFlights } from './http-flights.js';
import { before, recordSince, replay, type Before, type Replay } from './replay.js';
import type { Route } from './route.js';
import { singleUseKind } from './single-use.js';

/** What a flight of requests comes to: plain data, for `isolate`. Without a replay nobody but the leader may have it. */
interface Landed {
  readonly values: readonly unknown[];
  readonly replay: Replay | undefined;
}

/** What a group knows of the flight that it hands to a function. */
type Boarded = Pick<FlightRecord<string>, 'shared' | 'limits'>;

const NOT_SHARED: Landed = { values: [], replay: undefined };

/** One request on its way through a flight: it leads or follows, is answered, or leaves when its client does. */
export class Passage {
  /** The handler's end, where this request leads. Written once, when the flight starts. */
  private handled: Promise<unknown> | undefined = undefined;
  /** What the handler came to, where only this request may have it. Written once, when the handler has ended. */
  private own: readonly unknown[] | undefined = undefined;
  /** Its response before the handler ran, where this request leads. Written once, with {@link handled}. */
  private initial: Before | undefined = undefined;
  /** What the handler had done to its response when somebody outside took that over. Written once, if that happens. */
  private taken: { readonly record: Replay | undefined } | undefined = undefined;
  /** Whether the client went away before it was answered. Written once. */
  private gone = false;
  /** The handler's run for this request alone. Written when what the leader got cannot be shared. */
  private alone: Subscription | undefined = undefined;

  constructor(
    private readonly flights: HttpFlights,
    private readonly route: Route,
    private readonly request: HttpRequest,
    private readonly response: HttpResponse,
    private readonly next: CallHandler,
  ) {}

  /** Boards, and answers the subscriber; what it returns ends all that, before or after. */
  travel(key: string, subscriber: Subscriber<unknown>): TeardownLogic {
    const { aboard, group } = this.flights;
    if (nodeResponseOf(this.response)?.destroyed === true) {
      subscriber.error(clientClosedRequest());
      return;
    }
    aboard.add(this.request);
    let seat: Seat<Landed>;
    try {
      seat = boardToLeave(group, key, (flight) => this.lead(flight), this.route.options);
    } catch (error) {
      aboard.delete(this.request);
      subscriber.error(httpError(error, this.response));
      return;
    }
    // One that merges is enough: the share is not too narrow.
    if (seat.role === 'follower') this.route.overlaps = undefined;
    const stopListening = onDisconnect(this.response, () => {
      this.gone = true;
      seat.abandon();
    });
    // A `then` and no shared Observable: what comes next runs in this request's own async context.
    seat.promise.then(
      (landed) => {
        this.land(landed, subscriber);
      },
      (error: unknown) => {
        this.fail(error, subscriber);
      },
    );
    return () => {
      this.takeOver();
      stopListening();
      aboard.delete(this.request);
      seat.abandon();
      this.alone?.unsubscribe();
    };
  }

  /** The function of the flight: runs the handler for everybody. */
  private lead(flight: Flight): Promise<Landed> {
    flightOf.set(this.request, flight);
    const told = this.route.overlaps?.led(this.request) === true;
    const { overlaps } = this.route;
    if (told) this.route.overlaps = undefined;
    this.initial = before(this.response);
    const handled = lastValueFrom(this.next.handle().pipe(toArray()));
    this.handled = handled;
    const landed = handled.then(
      (values) => this.record(values, flight as Flight & Boarded),
      (error: unknown) => {
        // It may have failed because its own client was answered meanwhile, by a time limit outside: others try again.
        if (this.route.passthrough && nodeResponseOf(this.response)?.headersSent === true) return NOT_SHARED;
        throw error;
      },
    );
    if (overlaps !== undefined) {
      const over = (): void => {
        overlaps.landed(this.request);
      };
      landed.then(over, over);
    }
    return landed;
  }

  /**
   * Whoever stands outside, a time limit say, does not wait for the answer any more and gives its own. Headers are then
   * no longer the handler's; one that sets them itself may come too late.
   */
  private takeOver(): void {
    if (this.initial === undefined || this.taken !== undefined) return;
    this.taken = { record: this.route.passthrough ? undefined : recordSince(this.initial, this.response) };
  }

  private record(values: readonly unknown[], { shared, limits }: Boarded): Landed {
    const readable = values.every((value) => singleUseKind(value) === undefined);
    // Where nobody has joined and nobody will, there is no one to replay it to.
    const wanted = shared || limits.lingerMs > 0;
    const record = readable && wanted ? this.recordNow() : undefined;
    if (record !== undefined) return { values, replay: record };
    this.own = values;
    if (!readable || (wanted && this.taken === undefined)) this.route.restAlone();
    return NOT_SHARED;
  }

  private recordNow(): Replay | undefined {
    if (this.taken !== undefined) return this.taken.record;
    return this.initial === undefined ? undefined : recordSince(this.initial, this.response);
  }

  private land(landed: Landed, subscriber: Subscriber<unknown>): void {
    // Answered meanwhile, by whoever stands outside.
    if (subscriber.closed) return;
    if (this.own === undefined && landed.replay === undefined) {
      this.alone = this.next.handle().subscribe(subscriber);
      return;
    }
    if (this.handled === undefined && landed.replay !== undefined) replay(landed.replay, this.response);
    for (const value of this.own ?? landed.values) subscriber.next(value);
    subscriber.complete();
  }

  private fail(error: unknown, subscriber: Subscriber<unknown>): void {
    if (!this.gone) {
      subscriber.error(httpError(error, this.response));
      return;
    }
    const closed = (): void => {
      subscriber.error(clientClosedRequest());
    };
    // While the handler runs on for others, its response must not be written: it may set headers on it.
    if (this.handled === undefined) closed();
    else this.handled.then(closed, closed);
  }
}
