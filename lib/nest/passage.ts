import type { CallHandler } from '@nestjs/common';
import type { Subscriber, TeardownLogic, Unsubscribable } from 'rxjs';
import type { Seat } from '../core/callers.js';
import type { Flight, FlightFunction } from '../core/flight.js';
import { boardToLeave } from '../rx/do-chan.js';
import type { AppFleet } from './app-fleet.js';
import { hasGone, stopWatching, watchClient, type Waiting } from './disconnect.js';
import { HandlerRun, type Boarded, type Leading } from './handler-run.js';
import { answeredAlone, clientClosedRequest, httpError } from './http-errors.js';
import { nodeResponseOf, type HttpRequest, type HttpResponse, type NodeResponse } from './http-exchange.js';
import type { GroupKey, HttpFlights } from './http-flights.js';
import { passing, received, type Landed } from './landed.js';
import { replay, type Before } from './replay.js';
import { digestOf, type RequestKey } from './request-key.js';
import type { RequestParts } from './request-parts.js';
import type { Route } from './route.js';
import { aboardOf, markAboard, markRunning, type Aboard } from './travelling.js';

/** One request on its way through a flight: it leads or follows, is answered, or leaves when its client does. */
export class Passage implements Waiting, Aboard, Leading, Unsubscribable {
  readonly node: NodeResponse | undefined;
  /** Whether nobody waits for it any more: it was answered, has left, or somebody outside has answered. Written once. */
  over = false;
  /** Whether the client went away before it was answered. Written once. */
  gone = false;
  onClose: (() => void) | undefined = undefined;
  /** Written once, before it boards. */
  private subscriber!: Subscriber<unknown>;
  /** Written once, when it has boarded. */
  private seat: Seat<Landed> | undefined = undefined;
  reached = false;
  /** Its response before the first handler ran for it, where it has boarded before. Written once, before it boards. */
  private earlier: Before | undefined = undefined;
  /** What it runs for everybody, where it leads. Written once, when the flight that it leads starts. */
  private run: HandlerRun | undefined = undefined;

  constructor(
    private readonly flights: HttpFlights,
    readonly route: Route,
    private readonly request: HttpRequest,
    readonly response: HttpResponse,
    readonly next: CallHandler,
  ) {
    this.node = nodeResponseOf(response);
  }

  get flight(): Flight<unknown> | undefined {
    return this.run?.flight;
  }

  get url(): string {
    return this.request.originalUrl ?? this.request.url;
  }

  get initial(): Before | undefined {
    return this.run?.initial ?? this.earlier;
  }

  get leading(): boolean {
    return this.run?.over === false;
  }

  get joinable(): boolean {
    return this.run?.joinable === true;
  }

  /** Boards, and answers the subscriber; what it returns ends all that, before or after. */
  travel(parts: RequestParts, subscriber: Subscriber<unknown>): TeardownLogic {
    this.subscriber = subscriber;
    if (this.node !== undefined && hasGone(this.node)) {
      subscriber.error(clientClosedRequest());
      return;
    }
    this.earlier = aboardOf(this.request)?.initial;
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
    // Nest ends the whole chain when the client of an Observable goes.
    if (!this.over && this.node !== undefined && hasGone(this.node)) this.gone = true;
    this.run?.takeOver();
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
      return this.lead(flight, flight as Flight<GroupKey> & Boarded, key);
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
    let local: Pick<Boarded, 'keyed'> | undefined;
    const boarded: Boarded = {
      shared: true,
      limits,
      get keyed() {
        return local?.keyed === true;
      },
    };
    const lead = (flight: Flight): PromiseLike<Landed> => this.lead(flight, boarded);
    const shared = fleet.shared(group, { name, key: id }, lead) as FlightFunction<Landed, GroupKey>;
    const fly = (flight: Flight<GroupKey>): PromiseLike<Landed> => {
      keys.add(key);
      local = flight as Flight<GroupKey> & Boarded;
      const ended = (): void => {
        keys.delete(key);
      };
      return passing(shared(flight) as PromiseLike<unknown>, (came) => received(came, limits), ended);
    };
    return boardToLeave<Landed, GroupKey>(group, key, fly, { ...this.route.options, lingerMs: 0 });
  }

  /** The function of the flight: runs the handler for everybody. */
  private lead(flight: Flight<unknown>, boarded: Boarded, key?: RequestKey): PromiseLike<Landed> {
    this.run = new HandlerRun(this, flight, boarded, key);
    markAboard(this.request, this);
    // The flight adopts it as it does a thenable.
    return this.run as unknown as PromiseLike<Landed>;
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
    const { subscriber, run } = this;
    // Answered meanwhile, by whoever stands outside.
    if (subscriber.closed) return;
    if (run?.failure !== undefined) {
      subscriber.error(httpError(run.failure.error, this.response));
      return;
    }
    const own = run?.own;
    if (own === undefined && landed.replay === undefined) {
      markRunning(this.request, this);
      answeredAlone(this.next, this.response).subscribe(subscriber);
      return;
    }
    // What it has recorded itself stands in its response already.
    const others = own === undefined && landed.replay !== run?.recorded ? landed.replay : undefined;
    if (others !== undefined) replay(others, this.response);
    for (const value of own ?? landed.values) subscriber.next(value);
    subscriber.complete();
  }

  private fail(error: unknown): void {
    const { subscriber, run } = this;
    // Answered meanwhile, by whoever stands outside: the response is theirs.
    if (subscriber.closed) return;
    if (!this.gone) {
      // Before anything is written to the response of a leader whose handler runs on: its followers get what that did.
      run?.takeOver();
      subscriber.error(httpError(error, this.response));
      return;
    }
    const closed = (): void => {
      subscriber.error(clientClosedRequest());
    };
    // While the handler runs on for others, its response must not be written: it may set headers on it.
    if (run !== undefined && !run.over) run.onOver = closed;
    else closed();
  }
}
