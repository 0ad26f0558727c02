import type { CallHandler } from '@nestjs/common';
import type { Observable, Subscriber, TeardownLogic, Unsubscribable } from 'rxjs';
import type { Seat } from '../core/callers.js';
import type { Flight, FlightFunction, FlightRecord } from '../core/flight.js';
import { boardToLeave } from '../rx/do-chan.js';
import type { AppFleet } from './app-fleet.js';
import { hasGone, stopWatching, watchClient, type Waiting } from './disconnect.js';
import { clientClosedRequest, httpError } from './http-errors.js';
import { isAnswered, nodeResponseOf, type HttpRequest, type HttpResponse } from './http-exchange.js';
import type { GroupKey, HttpFlights } from './http-flights.js';
import { landedWith, NOT_SHARED, passing, received, type Landed } from './landed.js';
import { before, recordSince, replay, type Before, type Replay } from './replay.js';
import { digestOf, type RequestKey } from './request-key.js';
import type { RequestParts } from './request-parts.js';
import type { Route } from './route.js';
import { release, singleUseKind } from './single-use.js';
import { markAboard, type Aboard } from './travelling.js';

/** What a group knows of the flight that it hands to a function. */
type Boarded = Pick<FlightRecord<GroupKey>, 'shared' | 'limits'>;

/** One request on its way through a flight: it leads or follows, is answered, or leaves when its client does. */
export class Passage implements Waiting, Aboard, Unsubscribable {
  /** Whether nobody waits for it any more: it was answered, has left, or somebody outside has answered. Written once. */
  over = false;
  /** The flight that it leads. Written once, when that starts. */
  flight: Flight<unknown> | undefined = undefined;
  onClose: (() => void) | undefined = undefined;
  /** Written once, before it boards. */
  private subscriber!: Subscriber<unknown>;
  /** Written once, when it has boarded. */
  private seat: Seat<Landed> | undefined = undefined;
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

  constructor(
    private readonly flights: HttpFlights,
    private readonly route: Route,
    private readonly request: HttpRequest,
    readonly response: HttpResponse,
    private readonly next: CallHandler,
  ) {}

  get leading(): boolean {
    return this.flight !== undefined && !this.handled;
  }

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
    watchClient(this);
    // A `then` and no shared Observable: what comes next runs in this request's own async context.
    this.seat.promise.then(
      (landed) => {
        this.landOrFail(landed);
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
    stopWatching(this);
    this.seat?.abandon();
  }

  private board(parts: RequestParts): Seat<Landed> {
    const { route } = this;
    const { fleet, group } = this.flights;
    const key = route.keys.of(this.request, parts, route.overlaps);
    if (fleet !== undefined && route.fleet !== undefined) return this.boardFleet(fleet, route.fleet, key);
    const lead = (flight: Flight<GroupKey>): PromiseLike<Landed> => {
      route.keys.add(key);
      return this.lead(flight, flight as Flight<GroupKey> & Boarded, (landed) => {
        route.keys.delete(key, landed ? group.limits.lingerMs : 0);
      });
    };
    return boardToLeave<Landed, GroupKey>(group, key, lead, route.options);
  }

  /** As {@link board}: the handler runs in one process of all. */
  private boardFleet(fleet: AppFleet, name: string, key: RequestKey): Seat<Landed> {
    const { group } = this.flights;
    const { limits } = group;
    const { keys, version } = this.route;
    // All else that tells routes apart is in the key: where they were asked for.
    const id = version === undefined ? key.digest : digestOf([key.digest, version]);
    // Somebody may follow in another process, so that there is always something to replay.
    const lead = (flight: Flight): PromiseLike<Landed> => this.lead(flight, { shared: true, limits });
    const shared = fleet.shared(group, { name, key: id }, lead) as FlightFunction<Landed, GroupKey>;
    const fly = (flight: Flight<GroupKey>): PromiseLike<Landed> => {
      keys.add(key);
      const ended = (): void => {
        keys.delete(key);
      };
      return passing(shared(flight) as PromiseLike<unknown>, (came) => received(came, limits), ended);
    };
    return boardToLeave<Landed, GroupKey>(group, key, fly, { ...this.route.options, lingerMs: 0 });
  }

  /**
   * The function of the flight: runs the handler for everybody.
   *
   * @param ended is told that the handler has ended, and whether with something to hand out
   */
  private lead(flight: Flight<unknown>, boarded: Boarded, ended?: (landed: boolean) => void): PromiseLike<Landed> {
    this.flight = flight;
    this.initial = before(this.response);
    // No promise: the flight ends when the handler does, not a microtask later, so that nobody joins what was recorded
    // for those who were aboard.
    const then = (resolve: (landed: Landed) => void, reject: (error: unknown) => void): void => {
      this.handle((values, error) => {
        this.handled = true;
        const landed = values === undefined ? this.ownFailure() : this.record(values, boarded);
        ended?.(landed !== undefined);
        if (landed === undefined) reject(error);
        else resolve(landed);
        this.onHandled?.();
      });
    };
    return { then } as PromiseLike<Landed>;
  }

  /** Runs the handler; calls back once, with all its values or the error with which it ended. */
  private handle(ended: (values: readonly unknown[] | undefined, error?: unknown) => void): void {
    const values: unknown[] = [];
    let handling: Observable<unknown>;
    try {
      handling = this.next.handle();
    } catch (error) {
      ended(undefined, error);
      return;
    }
    handling.subscribe({
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
   * Whoever stands outside, a time limit say, does not wait for the answer any more and gives its own; or its own wait
   * has taken too long. Headers are then no longer the handler's; one that sets them itself may come too late.
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
    if (this.gone || this.taken !== undefined) values.forEach(release);
    if (!readable || (wanted && this.taken === undefined)) this.route.restAlone();
    return NOT_SHARED;
  }

  /** It may have failed because its own client was answered meanwhile, by a time limit outside: others try again. */
  private ownFailure(): Landed | undefined {
    return this.route.passthrough && isAnswered(this.response) ? NOT_SHARED : undefined;
  }

  private recordNow(): Replay | undefined {
    if (this.taken !== undefined) return this.taken.record;
    return this.initial === undefined ? undefined : recordSince(this.initial, this.response);
  }

  private landOrFail(landed: Landed): void {
    try {
      this.land(landed);
    } catch (error) {
      // A middleware has answered meanwhile, say, so that no header can be set any more.
      this.subscriber.error(error);
    }
  }

  private land(landed: Landed): void {
    const { subscriber } = this;
    // Answered meanwhile, by whoever stands outside.
    if (subscriber.closed) return;
    if (this.own === undefined && landed.replay === undefined) {
      this.next.handle().subscribe(subscriber);
      return;
    }
    if (this.flight === undefined && landed.replay !== undefined) replay(landed.replay, this.response);
    for (const value of this.own ?? landed.values) subscriber.next(value);
    subscriber.complete();
  }

  private fail(error: unknown): void {
    // Answered meanwhile, by whoever stands outside: the response is theirs.
    if (this.subscriber.closed) return;
    if (!this.gone) {
      // Before anything is written to the response of a leader whose handler runs on: its followers get what that did.
      this.takeOver();
      this.subscriber.error(httpError(error, this.response));
      return;
    }
    const closed = (): void => {
      this.subscriber.error(clientClosedRequest());
    };
    // While the handler runs on for others, its response must not be written: it may set headers on it.
    if (this.leading) this.onHandled = closed;
    else closed();
  }
}
