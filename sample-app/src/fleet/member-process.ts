import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { StartupError } from '../startup-error.js';
import type { FromMember, ToMember } from './messages.js';

/** A process of the fleet, as the one that plays sees it. */
export class MemberProcess {
  /** How often it was about to ask the database. Reset by {@link expire}. */
  queries = 0;
  /** Called when it is about to ask. */
  onQuery: (() => void) | undefined = undefined;
  private ended = false;
  private readonly closed: Promise<unknown>;
  private port = 0;

  private constructor(private readonly child: ReturnType<typeof fork>) {
    this.closed = once(child, 'exit').then(() => (this.ended = true));
    child.on('message', (message: FromMember) => {
      if (message.kind !== 'query') return;
      this.queries++;
      this.onQuery?.();
    });
  }

  static async start(databaseUrl: string, redisUrl: string): Promise<MemberProcess> {
    const program = fileURLToPath(new URL('main.js', import.meta.url));
    const env = { ...process.env, DATABASE_URL: databaseUrl, REDIS_URL: redisUrl };
    const member = new MemberProcess(fork(program, ['--member'], { env }));
    member.port = (await member.answer('listening')).port;
    return member;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get alive(): boolean {
    return !this.ended;
  }

  /** Its cache is empty again, as if the entry's time had run out. */
  async expire(): Promise<void> {
    const expired = this.answer('expired');
    this.tell({ kind: 'expire' });
    await expired;
    this.queries = 0;
  }

  /** Without a chance to say so: as a machine that loses its power. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  async close(): Promise<void> {
    if (this.child.connected) this.tell({ kind: 'close' });
    await this.closed;
  }

  closeAtOnce(): Promise<void> {
    this.kill();
    return this.closed.then(() => undefined);
  }

  private tell(message: ToMember): void {
    this.child.send(message);
  }

  private answer<K extends FromMember['kind']>(kind: K): Promise<Extract<FromMember, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const heard = (message: FromMember): void => {
        if (message.kind !== kind) return;
        this.child.off('message', heard);
        resolve(message as Extract<FromMember, { kind: K }>);
      };
      this.child.on('message', heard);
      void this.closed.then(() => {
        reject(new StartupError(`A process of the fleet ended with code ${String(this.child.exitCode)}.`));
      });
    });
  }
}
