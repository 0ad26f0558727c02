import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../../redis/support/servers.js';
import type { FleetCallOptions } from '../../../lib/fleet/fleet-group.js';
import type { FleetEvent, Order, Report, Setup, Told, Work } from '../process/protocol.js';

const ANOTHER = 'another';

/** A process of the fleet, as the test sees it from outside. */
export class FleetProcess {
  /** Everything that it has told, in order. */
  readonly told: Told[] = [];
  private readonly child: ChildProcess;
  /** Written by the child's end. */
  private ended = false;
  /** How many callers have called. Written by `call`. */
  calls = 0;
  private stderr = '';

  constructor(
    program: string,
    readonly setup: Setup,
  ) {
    this.child = fork(program, [JSON.stringify(setup)], { execArgv: [], stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    this.child.on('message', (told) => this.told.push(told as Told));
    this.child.once('exit', () => (this.ended = true));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get living(): boolean {
    return !this.ended;
  }

  /** What it warned of. */
  get warnings(): string {
    return this.stderr;
  }

  async ready(): Promise<void> {
    await this.until('ready', () => this.ended || this.count('ready') > 0);
    if (this.ended) throw new Error(`Process ${this.setup.index} did not start: ${this.stderr}`);
  }

  /** Has this many callers call, all at once. */
  async call(key: string, callers: number, work: Work = {}, options: FleetCallOptions = {}): Promise<void> {
    this.calls += callers;
    const before = this.count('called');
    this.order({ order: 'call', key, callers, work, options });
    await this.until('its calls', () => this.count('called') > before);
  }

  /** Has one caller call another key, whose function ends at once, and waits until it was told. */
  async callAnother(): Promise<void> {
    const answers = (): number => this.told.filter((one) => one.told === 'answered' && one.key === ANOTHER).length;
    const before = answers();
    await this.call(ANOTHER, 1, { ms: 0 });
    await this.until('the answer to another call', () => answers() > before);
  }

  release(key: string): void {
    this.order({ order: 'release', key });
  }

  async close(graceMs: number): Promise<void> {
    this.order({ order: 'close', graceMs });
    await this.once('closed');
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(): Promise<void> {
    if (this.ended) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  events(event: FleetEvent): number {
    return this.told.filter((one) => one.told === 'event' && one.event === event).length;
  }

  /** How many functions of the key it has started. */
  starts(key: string): number {
    return this.told.filter((one) => one.told === 'started' && one.key === key).length;
  }

  /** Waits until all of its callers were told. */
  settled(): Promise<void> {
    return this.until('an answer to all of its callers', () => (this.last('settled')?.calls ?? 0) === this.calls);
  }

  /** How its callers have fared, whether or not they were told. */
  async report(): Promise<Report> {
    const before = this.count('report');
    this.order({ order: 'report' });
    await this.until('a report', () => this.count('report') > before);
    return this.last('report')!;
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    await until(`${what}, of process ${this.setup.index}`, () => condition() || undefined);
  }

  private last(what: 'settled' | 'report'): Report | undefined {
    return this.told.flatMap((one) => (one.told === what ? [one.report] : [])).at(-1);
  }

  private once(what: Told['told']): Promise<void> {
    return this.until(what, () => this.count(what) > 0);
  }

  private count(what: Told['told']): number {
    return this.told.filter(({ told }) => told === what).length;
  }

  private order(order: Order): void {
    if (this.living) this.child.send(order);
  }
}
