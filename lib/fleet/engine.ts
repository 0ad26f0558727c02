/**
 * What all processes of a fleet have in common: who leads a flight, who waits for it, and its result for a while. This
 * is the port: the fleet speaks it, an engine (memory, Redis, Valkey, one of your own) implements it, and the contract
 * suite in `nestjs-singleflight/testing` is what every engine has to pass.
 *
 * An engine knows nothing of functions, callers or keys. It sees flights by their id, 24 characters that a hash has made
 * of app, version, name and key (an engine with a secret may map them once more), and payloads, which are bytes. Each
 * verb is atomic and **idempotent per token**: sent twice, in whole or because a client sends again after it has
 * reconnected, it changes nothing more and answers the same.
 *
 * Per id an engine holds, each for a limited time only:
 * - which flight is **current**: the one that a fresh caller joins. There is none, or one with token, fence and lease;
 * - of every flight, by its **fence**: token and lease, the processes that wait for it, and its result once there is one.
 *   Keyed by fence, because a flight that was forgotten goes on beside the next one;
 * - which result **lingers**, so that fresh callers get it;
 * - the highest fence so far: fences rise per id, also after the engine has lost its data.
 *
 * Errors: {@link EngineUnavailableError} when it refuses, {@link EngineTimeoutError} when the outcome is unknown,
 * {@link PayloadTooLargeError}. That a lease is lost is an answer, not an error.
 */
export interface FlightEngine {
  /** How errors, events and health call it. */
  readonly name: string;
  /** Whether it can be asked at all: cheap and synchronous. False: the fleet does not even try. */
  readonly available: boolean;
  readonly limits: EngineLimits;

  /**
   * Begins to tell the sink. The fleet starts an engine once before anything else; when that rejected, it may try again.
   * An engine whose connection has come back calls `sink.resync()` once pushes reach it again.
   */
  start(sink: FlightSink): Promise<void>;

  /**
   * Asks for a part in a flight. In this order:
   * 1. the token leads the current flight, its lease not over → `leader` again, same fence, lease untouched;
   * 2. with `since`: the result of flight `since` is kept → `settled`; flight `since` still has its lease, though it
   *    was forgotten → `follower` of it;
   * 3. there is a current flight → `follower` of it;
   * 4. with `since`: a result with a fence ≥ `since` is kept → `settled`. Without: a result lingers, and is younger than
   *    the request's `lingerMs` where that is given → `settled`. Results of forgotten flights are for 2 only;
   * 5. `take` is false → `orphan`: nothing is there, and nothing is taken; the process waits for flight `since`;
   * 6. → `leader`, with the next fence and a lease of `leaseMs`.
   *
   * Whoever is told `follower` or `orphan` is among those who wait for that fence, from then on until the flight has
   * settled or for as long as the engine keeps it: at least for the rest of the lease and one more.
   *
   * @param signal aborts when the fleet does not wait for the answer any more
   */
  join(request: JoinRequest, signal: AbortSignal): Promise<Joined>;

  /**
   * Extends a lease to `leaseMs` from now: `held`, also for a flight that was forgotten. The flight is gone, but its
   * leader says that it is `insideLease`, and there is no current flight, nor a result with its fence or a higher one,
   * nor is it known that one of these was forgotten → current again with the same fence: `reclaimed` (`held` when it is
   * sent again). Else `lost`, and nothing is changed: a forgotten flight whose lease is over leads nobody any more, and
   * those who have waited for it follow the next one. With a token that leads nothing and `insideLease` false this is
   * how the fleet asks whether the engine answers at all.
   */
  renew(request: RenewRequest, signal: AbortSignal): Promise<'held' | 'reclaimed' | 'lost'>;

  /**
   * Ends a flight: in one step it is current no more, its result is kept for `retainMs` (unless `retain` is false) and
   * lingers for `lingerMs`, and everybody who waits for its fence is pushed `settled`. `published`, also when this flight
   * has published before and its result is still kept. The flight is gone, but its leader says that it is `insideLease`, and there is no current
   * flight, nor a result with a higher fence → published all the same: so it survives that the engine loses its data.
   * Else `lost`: nothing is written and nobody is told.
   *
   * A flight that was forgotten tells those who wait for it, keeps its result for those who ask `since` its fence, lets
   * nothing linger, and leaves the current flight alone.
   *
   * @throws PayloadTooLargeError for more than `limits.maxPayloadBytes`: nothing was changed
   */
  complete(request: CompleteRequest, signal: AbortSignal): Promise<'published' | 'lost'>;

  /**
   * Gives up a part in a flight. A leader's lease ends at once, and those who wait are pushed `abandoned`; with
   * `unlessWaiting` and somebody waiting nothing is changed: `waiting`. A token that waits for flight `fence` does not any
   * more; others of its process do. In any other case, as when the token leads nothing: `abandoned`.
   *
   * Best effort: it never rejects. When it cannot reach the engine, it answers `abandoned`, and the lease runs out.
   */
  abandon(request: AbandonRequest): Promise<'abandoned' | 'waiting'>;

  /**
   * The id leads to nothing: its flight is current no more, and no result lingers. The flight goes on with its lease for
   * those who wait for it. Its leader and they are pushed `forgotten`.
   */
  forget(request: ForgetRequest): Promise<void>;

  /** Ends it: the sink is told nothing more. Leases that are held stay what they are. */
  stop(): Promise<void>;
}

/** Rises from leader to leader of one id; never 0. */
export type Fence = bigint;

export interface EngineLimits {
  /** The longest payload it takes, in bytes. */
  readonly maxPayloadBytes: number;
  /** The shortest lease that makes sense with it, in milliseconds. */
  readonly minLeaseMs: number;
}

export interface JoinRequest {
  readonly flight: string;
  /** Names who asks: unique to one flight of one process. The engine knows by itself where to push for it. */
  readonly token: string;
  /** How long the lease is, should this make its token the leader. */
  readonly leaseMs: number;
  /** The flight that it has waited for so far. Absent: a fresh caller, to whom results of the past are nothing. */
  readonly since?: Fence | undefined;
  /** Whether it wants the lead if there is none; default true. False only together with `since`. */
  readonly take?: boolean | undefined;
  /** The oldest result that a fresh caller takes, in milliseconds; default: as long as it lingers. */
  readonly lingerMs?: number | undefined;
}

export type Joined =
  | { readonly role: 'leader'; readonly fence: Fence }
  /** `expiresInMs`: the rest of the leader's lease, above 0. */
  | { readonly role: 'follower'; readonly fence: Fence; readonly expiresInMs: number }
  | { readonly role: 'settled'; readonly fence: Fence; readonly payload: Uint8Array }
  | { readonly role: 'orphan' };

export interface RenewRequest {
  readonly flight: string;
  readonly token: string;
  readonly fence: Fence;
  readonly leaseMs: number;
  /** Whether the lease, by the leader's own monotonic clock, is not over. */
  readonly insideLease: boolean;
}

export interface CompleteRequest {
  readonly flight: string;
  readonly token: string;
  readonly fence: Fence;
  readonly payload: Uint8Array;
  /** How long the result is kept for those who have waited for it and missed the push; never less than `lingerMs`. */
  readonly retainMs: number;
  /** For how long fresh callers get it; 0: not at all. */
  readonly lingerMs: number;
  readonly insideLease: boolean;
  /** Whether the result is kept; false where that has no use, and then `lingerMs` is 0. */
  readonly retain: boolean;
}

export interface AbandonRequest {
  readonly flight: string;
  readonly token: string;
  /** The flight it leads or waits for; absent when the answer to its join never came. */
  readonly fence?: Fence | undefined;
  readonly unlessWaiting?: boolean | undefined;
}

export interface ForgetRequest {
  readonly flight: string;
}

/**
 * What an engine tells the processes that have a part in a flight: late, twice, in any order, or not at all. That is the
 * fast path; a lease's end and the kept result are what the fleet relies on. Never throws.
 */
export interface FlightSink {
  /** It has its result. Without a payload: to be asked for, with `join({ since: fence })`. */
  settled(flight: string, fence: Fence, payload?: Uint8Array): void;
  /** Its leader gave it up: whoever waits takes over. */
  abandoned(flight: string, fence: Fence): void;
  /** Nobody new is to join it; told to its leader and to whoever waits. */
  forgotten(flight: string, fence: Fence): void;
  /** Pushes may have been missed: everything that is waited for has to be asked for. */
  resync(): void;
}
