import { within } from '../fleet/deadline.js';
import { discard, type PostgresClient, type PostgresNotification } from './pool.js';

export interface ListenerHost {
  connect(): Promise<PostgresClient>;
  message(payload: string): void;
  /** It listens again, after messages may have been missed. */
  relistened(): void;
}

/** How long a connection has to listen, or to answer. */
const ATTEMPT_MS = 3_000;
const LONGEST_PAUSE_MS = 500;
const FIRST_PAUSE_MS = 25;
/** How often a pool may hand out a connection that is about to end too, before it counts as more than a moment. */
const HOPEFUL_FAILURES = 3;
/** After so long without a message it is asked whether it is still there: a network may lose it without a word. */
const QUIET_MS = 10_000;

/** The one connection of a process that listens. Lost, it is made again, at once and then at longer and longer intervals. */
export class Listener {
  /** Set while it listens. Written by `listen` and `lose`. */
  private client: PostgresClient | undefined = undefined;
  /** How often in a row it could not be made again. */
  private failures = 0;
  private pause: NodeJS.Timeout | undefined = undefined;
  private heardAt = 0;
  private asking = false;
  /** Written once, by {@link close}. */
  private closed = false;

  constructor(
    private readonly channel: string,
    private readonly host: ListenerHost,
  ) {}

  /** False once it was lost and could not be made again at the first attempts. */
  get hopeful(): boolean {
    return this.failures < HOPEFUL_FAILURES;
  }

  /** Listens for the first time; rejects when that fails, and then nothing is left of it. */
  async open(): Promise<void> {
    await this.listen();
  }

  /** In passing, by somebody who relies on it. */
  checkIfQuiet(): void {
    const { client } = this;
    if (client === undefined || this.asking || performance.now() - this.heardAt < QUIET_MS) return;
    this.asking = true;
    within(client.query('SELECT'), ATTEMPT_MS, 'the connection that listens does not answer')
      .then(
        () => {
          this.heardAt = performance.now();
        },
        () => {
          this.lose(client);
        },
      )
      .finally(() => {
        this.asking = false;
      });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.pause);
    const { client } = this;
    this.client = undefined;
    if (client !== undefined) discard(client);
  }

  private async listen(): Promise<void> {
    const client = await within(this.host.connect(), ATTEMPT_MS, 'no connection could be had to listen', discard);
    client.on('error', () => {
      this.lose(client);
    });
    client.on('end', () => {
      this.lose(client);
    });
    client.on('notification', (message) => {
      this.hear(client, message);
    });
    try {
      await within(client.query(`LISTEN "${this.channel}"`), ATTEMPT_MS, 'LISTEN was not answered');
      if (this.closed) throw new Error('the engine was stopped');
    } catch (error) {
      discard(client);
      throw error;
    }
    this.client = client;
    this.failures = 0;
    this.heardAt = performance.now();
  }

  private hear(client: PostgresClient, { channel, payload }: PostgresNotification): void {
    if (this.closed || channel !== this.channel) return;
    if (client === this.client) this.heardAt = performance.now();
    this.host.message(payload ?? '');
  }

  private lose(client: PostgresClient): void {
    if (client !== this.client) return;
    this.client = undefined;
    discard(client);
    void this.listenAgain();
  }

  private async listenAgain(): Promise<void> {
    try {
      await this.listen();
    } catch {
      if (this.closed) return;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures++);
      this.pause = setTimeout(() => void this.listenAgain(), pauseMs).unref();
      return;
    }
    this.host.relistened();
  }
}
