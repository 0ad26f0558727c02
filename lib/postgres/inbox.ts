import type { Fence, FlightSink } from '../fleet/engine.js';
import { parse, type Message } from './messages.js';
import type { Parts } from './parts.js';
import { ignore, type PostgresPool } from './pool.js';

interface FlightRow {
  readonly payload: Buffer | null;
  readonly forgotten: boolean;
}

/**
 * What is notified of: passed on where it is about a flight of this process, and once its row says so too. A
 * notification is a hint; anybody can send one, and of a result it has no room for more.
 */
export class Inbox {
  /** Written by the engine's `start` and `stop`. */
  sink: FlightSink | undefined = undefined;
  /** How many messages were none. Written by `message`. */
  strayMessages = 0;
  private readonly checks = new Map<string, () => void>();
  /** What is being looked at, so that a message that comes twice asks once. */
  private readonly looking = new Set<string>();

  constructor(
    private readonly pool: PostgresPool,
    private readonly table: string,
    private readonly parts: Parts,
  ) {}

  /** Resolves when that check comes through. */
  whenChecked(nonce: string): Promise<void> {
    return new Promise((resolve) => {
      this.checks.set(nonce, resolve);
    });
  }

  message(payload: string): void {
    const message = parse(payload);
    if (message === undefined) this.strayMessages++;
    else if (message.kind !== 'check') this.pass(message);
    else {
      this.checks.get(message.nonce)?.();
      this.checks.delete(message.nonce);
    }
  }

  private pass(message: Exclude<Message, { kind: 'check' }>): void {
    const { kind, name, fence } = message;
    const flight = kind === 'forgotten' ? this.parts.known(name, fence) : this.parts.waitedFor(name, fence);
    if (flight === undefined) return;
    // Whoever waits asks the engine, and is told the truth.
    if (kind === 'abandoned') this.sink?.abandoned(flight, fence);
    else void this.lookOnce(kind, name, flight, fence).catch(ignore);
  }

  private async lookOnce(kind: 'settled' | 'forgotten', name: string, flight: string, fence: Fence): Promise<void> {
    const what = `${kind} ${name} ${fence}`;
    if (this.looking.has(what)) return;
    this.looking.add(what);
    try {
      const row = await this.look(name, fence);
      if (kind === 'forgotten') {
        if (row?.forgotten === true) this.sink?.forgotten(flight, fence);
      } else if (row === undefined) this.sink?.settled(flight, fence);
      else if (row.payload !== null) {
        this.parts.settle(name, fence);
        this.sink?.settled(flight, fence, row.payload);
      }
    } finally {
      this.looking.delete(what);
    }
  }

  /** Undefined when the row is gone, or cannot be read: then the fleet has to ask. */
  private async look(name: string, fence: Fence): Promise<FlightRow | undefined> {
    const text = `SELECT payload, forgotten FROM ${this.table} WHERE id = $1 AND fence = $2`;
    const answer = await this.pool.query(text, [name, String(fence)]).catch(ignore);
    return answer?.rows[0] as FlightRow | undefined;
  }
}
