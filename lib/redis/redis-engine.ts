import { randomBytes } from 'node:crypto';
import type {
  AbandonRequest,
  CompleteRequest,
  EngineLimits,
  FlightEngine,
  FlightSink,
  ForgetRequest,
  Joined,
  JoinRequest,
  RenewRequest,
} from '../fleet/engine.js';
import { ask, within } from '../fleet/deadline.js';
import { EngineTimeoutError, EngineUnavailableError, PayloadTooLargeError } from '../fleet/errors.js';
import { flag, Keys, whole, type Answer } from './call.js';
import { ignore, type RedisConnection, type Subscription } from './connection.js';
import { Inbox } from './inbox.js';
import { OwnConnection } from './own-connection.js';
import { checkRedisEngineOptions, connectionOf, type RedisEngineOptions } from './options.js';
import { Parts } from './parts.js';
import { refusalOf } from './refusals.js';
import { Results } from './results.js';
import { ABANDON, FORGET, JOIN, PAGE, RENEW } from './scripts.js';
import { Seal } from './seal.js';
import { refusedSubscription, whatIsMissing, whatIsUnwise } from './server-check.js';

const NAME = 'redis';
const DEFAULT_PREFIX = 'singleflight';
const DEFAULT_INLINE_BYTES = 4_096;
const DEFAULT_PAYLOAD_BYTES = 8 * 1024 * 1024;
const MIN_LEASE_MS = 50;
/** How long `start` waits for the connection, the subscription and the server, each. */
const START_MS = 3_000;
const NOT_ANSWERED = 'the server does not answer';
const NOT_HEARD = 'a message that was published did not come back: its pub/sub does not work';
/** How long the verbs wait that are given no signal. */
const OWN_DEADLINE_MS = 1_000;
/** How often an answer is asked for again whose result was gone when it was fetched. */
const ATTEMPTS = 3;

/**
 * A fleet's flights on Redis 6 or later, or Valkey: one server, Sentinel or a cluster, by ioredis or node-redis. P
 * processes that meet in a flight send P + 1 commands.
 *
 * It promises what Redis can keep: after a failover, an eviction or a restart a function may run once more. Whoever may
 * publish on the channels under `prefix`, or write its keys, can forge results, unless there is a `secret`.
 *
 * @throws InvalidOptionError when an option is unknown or its value is not allowed
 *
 * @example
 * ```ts
 * import { Redis } from 'ioredis';
 * import { RedisEngine } from 'nestjs-singleflight/redis';
 *
 * const engine = new RedisEngine({ client: new Redis('redis://127.0.0.1:6379'), prefix: 'shop' });
 * console.log(engine.name, engine.limits.maxPayloadBytes);
 * ```
 */
export class RedisEngine implements FlightEngine {
  readonly name = NAME;
  readonly limits: EngineLimits;
  private readonly connection: RedisConnection;
  private readonly keys: Keys;
  private readonly seal: Seal;
  private readonly results: Results;
  private readonly parts = new Parts();
  private readonly inbox: Inbox;
  /** Written by `start` and `stop`. */
  private subscription: Subscription | undefined = undefined;
  /** Written when the server has passed the check, and by `stop`. */
  private started = false;
  /** The last join of each token that has no answer yet. Written by `join`. */
  private readonly asking = new Map<string, object>();

  constructor(options: RedisEngineOptions) {
    checkRedisEngineOptions(options);
    const { prefix = DEFAULT_PREFIX, secret, inlineBytes = DEFAULT_INLINE_BYTES, maxPayloadBytes } = options;
    this.connection = connectionOf(options);
    this.keys = new Keys(prefix);
    this.limits = { maxPayloadBytes: maxPayloadBytes ?? DEFAULT_PAYLOAD_BYTES, minLeaseMs: MIN_LEASE_MS };
    this.seal = new Seal(secret);
    this.results = new Results(this.connection, this.keys, this.seal, inlineBytes);
    this.inbox = new Inbox(randomBytes(16).toString('base64url'), this.parts, this.seal, (name, fence) =>
      this.results.fetch(name, fence),
    );
  }

  /** Whether the server has passed the check of {@link start}, and a command that is sent now goes out now. */
  get available(): boolean {
    return this.started && this.connection.ready;
  }

  /** How many messages came that were none: cut off, forged, sealed with another secret. */
  get strayMessages(): number {
    return this.inbox.strayMessages;
  }

  /**
   * Connects, subscribes, and sees whether the server can do what is needed.
   *
   * @throws EngineUnavailableError when it cannot be reached, or with the version or the ACL rule that is missing; it can
   * be started again
   */
  async start(sink: FlightSink): Promise<void> {
    const { connection, inbox, keys } = this;
    inbox.sink = sink;
    const channel = keys.channel + inbox.name;
    // Asked before anything is sent: the subscriber's answer may be there before the other connection is ready.
    const live = inbox.whenLive();
    this.subscription ??= connection.subscribe(channel, inbox);
    try {
      await connection.whenReady(AbortSignal.timeout(START_MS));
      const refused = await within(live, START_MS, 'the subscription did not come to be');
      if (refused !== undefined) throw await this.refusedBy(refused);
      const heard = inbox.whenChecked();
      const missing = await within(whatIsMissing(connection, keys.prefix, channel), START_MS, NOT_ANSWERED);
      if (missing !== undefined) throw missing;
      await within(heard, START_MS, NOT_HEARD);
      const unwise = await whatIsUnwise(connection);
      if (unwise !== undefined) process.emitWarning(unwise);
      this.started = true;
    } catch (error) {
      throw new EngineUnavailableError(NAME, { cause: refusalOf(error) });
    }
  }

  async join(request: JoinRequest, signal: AbortSignal): Promise<Joined> {
    const { flight, leaseMs } = request;
    const [name, token] = [this.seal.nameOf(flight), this.seal.nameOf(request.token)];
    const call = {};
    this.asking.set(token, call);
    // Only the last join's late answer is given back: the lead of an earlier one is the later one's too.
    const isLast = (): boolean => this.asking.get(token) === call && this.asking.delete(token);
    this.parts.ask(name, flight, token, leaseMs);
    const send = (): Promise<Joined> => this.joined(request, name, token);
    const giveBack = (joined: Joined): void => {
      if (!isLast() || joined.role === 'settled') return;
      void this.abandon({ flight, token: request.token, fence: joined.role === 'orphan' ? undefined : joined.fence });
    };
    try {
      const joined = await this.ask('join', signal, send, giveBack);
      isLast();
      return joined;
    } catch (error) {
      if (!(error instanceof EngineTimeoutError)) isLast();
      throw error;
    }
  }

  async renew(request: RenewRequest, signal: AbortSignal): Promise<'held' | 'reclaimed' | 'lost'> {
    const { flight, fence, leaseMs, insideLease } = request;
    const [name, token] = [this.seal.nameOf(flight), this.seal.nameOf(request.token)];
    this.parts.extend(name, token, leaseMs);
    const keys = this.keys.of(name, 'owner', 'waiters', 'last', 'apart', `result:${fence}`, 'forgotten');
    const args = [token, this.inbox.name, String(fence), whole(leaseMs), flag(insideLease)];
    const answer = await this.ask('renew', signal, () => this.connection.run(RENEW, keys, args));
    return String(answer) as 'held' | 'reclaimed' | 'lost';
  }

  async complete(request: CompleteRequest, signal: AbortSignal): Promise<'published' | 'lost'> {
    const { payload, fence } = request;
    const { maxPayloadBytes } = this.limits;
    if (payload.byteLength > maxPayloadBytes) {
      throw new PayloadTooLargeError(NAME, payload.byteLength, maxPayloadBytes);
    }
    const [name, token] = [this.seal.nameOf(request.flight), this.seal.nameOf(request.token)];
    const answer = (await this.ask('complete', signal, () => this.results.publish(request, name, token))) as Answer;
    this.parts.end(name, token);
    if (String(answer[0]) !== 'published') return 'lost';
    const seal = this.seal.make('settled', name, fence, payload);
    await this.results.serve(name, fence, 's', seal, Number(answer[1])).catch(ignore);
    return 'published';
  }

  async abandon(request: AbandonRequest): Promise<'abandoned' | 'waiting'> {
    const [name, token] = [this.seal.nameOf(request.flight), this.seal.nameOf(request.token)];
    const { fence, unlessWaiting = false } = request;
    const others = this.parts.waitedForBeside(name, token);
    // Before the answer is there: of two who leave at once the second leaves nobody behind.
    this.parts.leave(name, token);
    const seal = this.seal.make('abandoned', name, '', token);
    const keys = this.keys.of(name, 'owner', 'waiters', 'apart');
    const args = [
      ...[name, token, this.inbox.name, fence === undefined ? '' : String(fence), flag(unlessWaiting)],
      ...[String(others), seal, this.keys.channel, String(PAGE)],
    ];
    const send = (): Promise<unknown> => this.connection.run(ABANDON, keys, args);
    const answer = await this.ask('abandon', AbortSignal.timeout(OWN_DEADLINE_MS), send).catch(ignore);
    if (String(answer) === 'waiting') return 'waiting';
    this.parts.end(name, token);
    return 'abandoned';
  }

  async forget({ flight }: ForgetRequest): Promise<void> {
    const name = this.seal.nameOf(flight);
    const seal = this.seal.make('forgotten', name, '', '');
    const keys = this.keys.of(name, 'owner', 'waiters', 'last', 'apart', 'forgotten');
    const args = [name, seal, this.keys.channel, String(PAGE)];
    const send = (): Promise<unknown> => this.connection.run(FORGET, keys, args);
    const [fence, left] = (await this.ask('forget', AbortSignal.timeout(OWN_DEADLINE_MS), send)) as Answer;
    if (fence === undefined) return;
    await this.results.serve(name, BigInt(String(fence)), 'f', seal, Number(left)).catch(ignore);
  }

  async stop(): Promise<void> {
    const { subscription } = this;
    this.started = false;
    this.subscription = undefined;
    this.inbox.close();
    this.parts.clear();
    this.asking.clear();
    await subscription?.close();
    if (this.connection instanceof OwnConnection) this.connection.close();
  }

  /** A refused subscription is not asked for again by itself: the next start makes a new one. */
  private async refusedBy(refusal: unknown): Promise<Error> {
    const { subscription } = this;
    this.subscription = undefined;
    await subscription?.close();
    return refusedSubscription(refusal, this.keys.prefix);
  }

  /** With a deadline, and only where it goes out at once. */
  private ask<T>(
    operation: string,
    signal: AbortSignal,
    send: () => Promise<T>,
    onLate?: (answer: T) => void,
  ): Promise<T> {
    if (!this.available) return Promise.reject(new EngineUnavailableError(NAME));
    return ask({ engine: NAME, operation, signal, refusalOf }, send, onLate);
  }

  private async joined(request: JoinRequest, name: string, token: string): Promise<Joined> {
    const { leaseMs, since, take = true, lingerMs = Number.MAX_SAFE_INTEGER } = request;
    const keys = this.keys.of(name, 'owner', 'waiters', 'fence', 'last', 'apart', `result:${since ?? 0}`);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const others = String(this.parts.waitedForBeside(name, token));
      const args = [token, this.inbox.name, whole(leaseMs), String(since ?? 0), flag(take), String(lingerMs), others];
      const [role, digits, third, payload] = (await this.connection.run(JOIN, keys, args)) as Answer;
      const fence = digits === undefined ? undefined : BigInt(String(digits));
      if (fence === undefined) {
        this.parts.take(name, token, 'follower', since);
        return { role: 'orphan' };
      }
      if (String(role) === 'leader') {
        this.parts.take(name, token, 'leader', fence);
        return { role: 'leader', fence };
      }
      if (String(role) === 'follower') {
        this.parts.take(name, token, 'follower', fence);
        return { role: 'follower', fence, expiresInMs: Math.max(1, Number(third)) };
      }
      const { results } = this;
      const result = Buffer.isBuffer(payload)
        ? results.sealed(name, fence, payload, third)
        : await results.fetch(name, fence);
      if (result === undefined) continue;
      this.parts.end(name, token);
      return { role: 'settled', fence, payload: result };
    }
    throw new Error('a result that it keeps cannot be read, or has no seal of this secret');
  }
}
