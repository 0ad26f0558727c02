import { randomBytes } from 'node:crypto';
import type {
  AbandonRequest,
  CompleteRequest,
  EngineLimits,
  Fence,
  FlightEngine,
  FlightSink,
  ForgetRequest,
  Joined,
  JoinRequest,
  RenewRequest,
} from '../fleet/engine.js';
import { ask, within } from '../fleet/deadline.js';
import { EngineTimeoutError, EngineUnavailableError, PayloadTooLargeError } from '../fleet/errors.js';
import { Inbox } from './inbox.js';
import { Listener } from './listener.js';
import { nameOf, Names, type Verb } from './names.js';
import { checkPostgresEngineOptions, type PostgresEngineOptions } from './options.js';
import { Parts } from './parts.js';
import { ignore, type PostgresPool } from './pool.js';
import { isLostConnection, refusalOf } from './refusals.js';
import { prepare } from './server-check.js';

const NAME = 'postgres';
const DEFAULT_PAYLOAD_BYTES = 8 * 1024 * 1024;
const MIN_LEASE_MS = 50;
/** How long `start` waits for the connection, the server and the first message, each. */
const START_MS = 3_000;
/** How long the verbs wait that are given no signal. */
const OWN_DEADLINE_MS = 1_000;

/** What a function comes back with. */
interface Row {
  readonly role: 'leader' | 'follower' | 'settled' | 'orphan';
  /** As text: what a parser of the user's makes of a bigint is none of our business. */
  readonly fence: string;
  readonly rest: string;
  readonly result: Buffer;
  readonly answer: string;
}

/**
 * A fleet's flights on PostgreSQL 12 or later, for those who have no Redis: a row of an unlogged table is lease and
 * result, and a notification wakes those who wait. Each verb is one round trip. Where processes meet at a high rate Redis
 * is the better engine: every commit that notifies takes a lock of the whole database.
 *
 * It promises what an unlogged table can keep: after a crash or a failover a function may run once more. Whoever may
 * write the table can forge results; whoever may only notify can make processes look at their rows.
 *
 * @throws InvalidOptionError when an option is unknown or its value is not allowed
 *
 * @example
 * ```ts
 * import { Pool } from 'pg';
 * import { PostgresEngine } from 'nestjs-singleflight/postgres';
 *
 * const pool = new Pool({ connectionString: 'postgres://127.0.0.1:5432/shop', max: 4 });
 * pool.on('error', console.error); // or the loss of an idle connection ends the process
 * const engine = new PostgresEngine({ pool });
 * console.log(engine.name, engine.limits.maxPayloadBytes);
 * ```
 */
export class PostgresEngine implements FlightEngine {
  readonly name = NAME;
  readonly limits: EngineLimits;
  private readonly pool: PostgresPool;
  private readonly names: Names;
  private readonly parts = new Parts();
  private readonly inbox: Inbox;
  /** Written by `start` and `stop`. */
  private listener: Listener | undefined = undefined;
  /** Written when the server has passed the check, and by `stop`. */
  private started = false;
  /** The last join of each token that has no answer yet. Written by `join`. */
  private readonly asking = new Map<string, object>();

  constructor(private readonly options: PostgresEngineOptions) {
    checkPostgresEngineOptions(options);
    this.pool = options.pool;
    this.names = new Names(options);
    this.limits = { maxPayloadBytes: options.maxPayloadBytes ?? DEFAULT_PAYLOAD_BYTES, minLeaseMs: MIN_LEASE_MS };
    this.inbox = new Inbox(this.pool, this.names.table, this.parts);
  }

  /**
   * False before {@link start}, and while the connection that listens is lost and cannot be made again at once: who waits
   * without it waits for the end of leases.
   */
  get available(): boolean {
    return this.started && this.listener?.hopeful === true;
  }

  /** How many notifications came that were none of ours. */
  get strayMessages(): number {
    return this.inbox.strayMessages;
  }

  /**
   * Makes the table and its functions if they are missing and its user may, listens, and sees that a notification comes
   * through.
   *
   * @throws EngineUnavailableError when it cannot be reached, or with what is missing: the SQL, a privilege, a version; it
   * can be started again
   */
  async start(sink: FlightSink): Promise<void> {
    if (this.started) return;
    const { inbox, names, pool } = this;
    const listener = new Listener(names.channel, {
      connect: this.options.connect ?? (() => pool.connect()),
      message: (payload) => {
        inbox.message(payload);
      },
      relistened: () => {
        inbox.sink?.resync();
      },
    });
    try {
      const missing = await within(prepare(pool, names), START_MS, 'the server does not answer');
      if (missing !== undefined) throw missing;
      await listener.open();
      const nonce = randomBytes(8).toString('hex');
      const heard = inbox.whenChecked(nonce);
      await pool.query('SELECT pg_notify($1, $2)', [names.channel, `c|${nonce}`]);
      await within(heard, START_MS, NOT_HEARD);
      this.listener = listener;
      inbox.sink = sink;
      this.started = true;
    } catch (error) {
      listener.close();
      throw new EngineUnavailableError(NAME, { cause: refusalOf(error) });
    }
  }

  async join(request: JoinRequest, signal: AbortSignal): Promise<Joined> {
    const { flight, leaseMs, since, take = true, lingerMs } = request;
    const [name, token] = [nameOf(flight), nameOf(request.token)];
    const call = {};
    this.asking.set(token, call);
    // Only the last join's late answer is given back: the lead of an earlier one is the later one's too.
    const isLast = (): boolean => this.asking.get(token) === call && this.asking.delete(token);
    const giveBack = ({ role, fence }: Row): void => {
      if (!isLast() || role === 'settled') return;
      void this.abandon({ flight, token: request.token, fence: role === 'orphan' ? since : BigInt(fence) });
    };
    this.parts.ask(name, flight, token, leaseMs);
    this.listener?.checkIfQuiet();
    const values = [name, token, leaseMs, since === undefined ? null : String(since), take, ageOf(lingerMs)];
    try {
      const row = await this.ask('join', JOINED, values, signal, giveBack);
      isLast();
      return this.joined(row, name, token, since);
    } catch (error) {
      if (!(error instanceof EngineTimeoutError)) isLast();
      throw error;
    }
  }

  async renew(request: RenewRequest, signal: AbortSignal): Promise<'held' | 'reclaimed' | 'lost'> {
    const { flight, fence, leaseMs, insideLease } = request;
    const [name, token] = [nameOf(flight), nameOf(request.token)];
    this.parts.extend(name, token, leaseMs);
    const { answer } = await this.ask('renew', 'answer', [name, token, String(fence), leaseMs, insideLease], signal);
    return answer as 'held' | 'reclaimed' | 'lost';
  }

  async complete(request: CompleteRequest, signal: AbortSignal): Promise<'published' | 'lost'> {
    const { fence, payload, retainMs, lingerMs, insideLease, retain } = request;
    const { maxPayloadBytes } = this.limits;
    if (payload.byteLength > maxPayloadBytes) {
      throw new PayloadTooLargeError(NAME, payload.byteLength, maxPayloadBytes);
    }
    const [name, token] = [nameOf(request.flight), nameOf(request.token)];
    // A copy: it may wait for a connection.
    const values = [name, token, String(fence), Buffer.from(payload), retainMs, lingerMs, insideLease, retain];
    const { answer } = await this.ask('complete', 'answer', values, signal);
    this.parts.end(name, token);
    return answer as 'published' | 'lost';
  }

  async abandon(request: AbandonRequest): Promise<'abandoned' | 'waiting'> {
    const { fence, unlessWaiting = false } = request;
    const [name, token] = [nameOf(request.flight), nameOf(request.token)];
    const values = [name, token, fence === undefined ? null : String(fence), unlessWaiting];
    const deadline = AbortSignal.timeout(OWN_DEADLINE_MS);
    const row = await this.ask('abandon', 'answer', values, deadline).catch(ignore);
    if (row?.answer === 'waiting') return 'waiting';
    this.parts.end(name, token);
    return 'abandoned';
  }

  async forget({ flight }: ForgetRequest): Promise<void> {
    await this.ask('forget', 'flight', [nameOf(flight)], AbortSignal.timeout(OWN_DEADLINE_MS));
  }

  async stop(): Promise<void> {
    this.started = false;
    this.inbox.sink = undefined;
    this.listener?.close();
    this.listener = undefined;
    this.parts.clear();
    this.asking.clear();
    return Promise.resolve();
  }

  private joined({ role, fence: digits, rest, result }: Row, name: string, token: string, since?: Fence): Joined {
    if (role === 'orphan') {
      this.parts.take(name, token, 'follower', since);
      return { role };
    }
    const fence = BigInt(digits);
    if (role === 'settled') {
      this.parts.end(name, token);
      return { role, fence, payload: result };
    }
    this.parts.take(name, token, role, fence);
    return role === 'leader' ? { role, fence } : { role, fence, expiresInMs: Number(rest) };
  }

  /** With a deadline; what comes after the signal is told to `onLate` only. */
  private ask(
    operation: Verb,
    columns: string,
    values: unknown[],
    signal: AbortSignal,
    onLate?: (row: Row) => void,
  ): Promise<Row> {
    if (!this.started) return Promise.reject(new EngineUnavailableError(NAME));
    const send = (): Promise<Row> => this.query(operation, columns, values, signal);
    return ask({ engine: NAME, operation, signal, refusalOf }, send, onLate);
  }

  /** Once more, on another connection, when the first is lost: the verbs are idempotent per token. */
  private async query(operation: Verb, columns: string, values: unknown[], signal: AbortSignal): Promise<Row> {
    const parameters = values.map((_, index) => `$${index + 1}`).join(', ');
    const text = `SELECT ${columns} FROM ${this.names.verb(operation)}(${parameters})`;
    const send = (): Promise<{ rows: unknown[] }> => this.pool.query(text, values);
    const { rows } = await send().catch((error: unknown) => {
      if (!isLostConnection(error) || signal.aborted) throw error;
      return send();
    });
    return rows[0] as Row;
  }
}

const JOINED = 'role, flight::text AS fence, rest_ms::text AS rest, result';
const NOT_HEARD =
  'a notification did not come back: behind PgBouncer hand in `connect`, which makes a connection past it';

/** PostgreSQL has no endless interval before 17. */
function ageOf(lingerMs: number | undefined): number | null {
  return lingerMs === undefined || lingerMs === Infinity ? null : lingerMs;
}
