import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';

/** One connection through a proxy. */
interface Line {
  readonly client: Socket;
  readonly server: Socket;
  /** Whether the client has subscribed on it. */
  subscribed: boolean;
}

/** Stands between a process and its server, and is the network that fails. */
export class Proxy {
  private readonly lines = new Set<Line>();
  private readonly held: (() => void)[] = [];
  /** Which lines pass on nothing; written by `silence`. */
  private silent: 'none' | 'subscriptions' | 'all' = 'none';
  /** Whether answers wait; written by `holdAnswers` and `letAnswersGo`. */
  private holding = false;
  /** What clients have sent that had this in it. */
  readonly recorded: Buffer[] = [];

  private constructor(
    private readonly server: Server,
    /** Written by `moveTo`. */
    private target: number,
    private readonly record: string | undefined,
  ) {}

  static async to(port: number, record?: string): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server, port, record);
    server.on('connection', (client) => {
      proxy.join(client);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** A half-open connection: nothing comes through any more, and neither end is told. New connections are not better. */
  silence(which: 'subscriptions' | 'all'): void {
    this.silent = which;
  }

  holdAnswers(): void {
    this.holding = true;
  }

  letAnswersGo(): void {
    this.holding = false;
    for (const go of this.held.splice(0)) go();
  }

  /** As a floating address does: connections end, and new ones lead to another server. */
  moveTo(port: number): void {
    this.target = port;
    for (const { client, server } of this.lines) for (const socket of [client, server]) socket.destroy();
  }

  close(): void {
    this.server.close();
    this.moveTo(this.target);
  }

  private join(client: Socket): void {
    const line: Line = { client, server: connect(this.target, '127.0.0.1'), subscribed: false };
    this.lines.add(line);
    client.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      if (/\bsubscribe\b/i.test(text)) line.subscribed = true;
      if (this.record !== undefined && text.includes(this.record)) this.recorded.push(bytes);
      if (!this.isSilent(line)) line.server.write(bytes);
    });
    line.server.on('data', (bytes: Buffer) => {
      const pass = (): void => {
        if (!this.isSilent(line)) client.write(bytes);
      };
      if (this.holding) this.held.push(pass);
      else pass();
    });
    for (const [one, other] of [
      [client, line.server],
      [line.server, client],
    ] as const) {
      one
        .on('error', () => undefined)
        .on('close', () => {
          this.lines.delete(line);
          if (!this.isSilent(line)) other.destroy();
        });
    }
  }

  private isSilent(line: Line): boolean {
    return this.silent === 'all' || (this.silent === 'subscriptions' && line.subscribed);
  }
}

/** Proxies by the index of their process, closed after each test. To be called in a `describe`. */
export function proxies(record?: string): {
  readonly of: Proxy[];
  between(redis: { readonly port: number }, index: number): Promise<number>;
} {
  const of: Proxy[] = [];
  afterEach(() => {
    for (const proxy of of.splice(0)) proxy.close();
  });
  return {
    of,
    async between({ port }, index) {
      const proxy = await Proxy.to(port, record);
      // Of the repetition before.
      of[index]?.close();
      of[index] = proxy;
      return proxy.port;
    },
  };
}
