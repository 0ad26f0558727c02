import assert from 'node:assert/strict';
import type {
  AbandonRequest,
  CompleteRequest,
  Fence,
  FlightEngine,
  Joined,
  JoinRequest,
  RenewRequest,
} from '../../fleet/engine.js';

/** The data of one case, and the processes that share it. */
export interface ContractWorld {
  /** Makes the engine of one more process on the same data; the suite starts and stops it. */
  engine(): FlightEngine | Promise<FlightEngine>;
  /** Lets so many milliseconds of the engine's time pass. Default: they pass by themselves. */
  pass?(ms: number): Promise<void>;
  /** Loses all data, as a server does that starts again without it. Without it, the cases about that are left out. */
  loseData?(): Promise<void> | void;
  /** Clears away what the world needed. */
  close?(): Promise<void> | void;
}

/** What {@link engineContract} is made with. */
export interface ContractOptions {
  /** Makes a world for one case. */
  readonly make: () => ContractWorld | Promise<ContractWorld>;
  /** Whether the worlds can lose their data. Default: false. */
  readonly losesData?: boolean;
  /** The lease that cases wait for the end of, in milliseconds; longer where the engine says so. Default: 150. */
  readonly leaseMs?: number;
  /** How long a case waits for what has to happen, in milliseconds. Default: 5,000. */
  readonly deadlineMs?: number;
}

/** One rule of the port: give `title` and `run` to the `it` or `test` of whichever runner. */
export interface ContractCase {
  readonly title: string;
  readonly run: () => Promise<void>;
}

/** What a case is told: by which name, of which flight, and with what. */
interface Push {
  readonly kind: 'settled' | 'abandoned' | 'forgotten';
  readonly flight: string;
  readonly fence: Fence;
  readonly payload?: Uint8Array | undefined;
}

const POLL_MS = 5;
const never = new AbortController().signal;

/** A case's view of the world: its processes, its flight, and how it waits. */
export class Scene {
  /** A flight that no other case has heard of. */
  readonly flight = freshId();
  /** A lease that does not end during a case. */
  readonly longMs = 60_000;
  private readonly processes: Process[] = [];

  constructor(
    private readonly world: ContractWorld,
    private readonly options: ContractOptions,
  ) {}

  /** A process of the fleet, its engine started. */
  async process(): Promise<Process> {
    const engine = await this.world.engine();
    const process = new Process(this, engine);
    this.processes.push(process);
    await engine.start(process);
    return process;
  }

  async two(): Promise<[Process, Process]> {
    return [await this.process(), await this.process()];
  }

  /** A lease that a case sees the end of. */
  get shortMs(): number {
    const [first] = this.processes;
    return Math.max(this.options.leaseMs ?? 150, first?.engine.limits.minLeaseMs ?? 0);
  }

  async pass(ms: number): Promise<void> {
    if (this.world.pass !== undefined) await this.world.pass(ms);
    else await sleep(ms);
  }

  async loseData(): Promise<void> {
    await this.world.loseData?.();
  }

  /** Waits until `attempt` comes back with something, and fails with what it waited for at the deadline. */
  async until<T>(what: string, attempt: () => T | undefined | Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + (this.options.deadlineMs ?? 5_000);
    for (;;) {
      const found = await attempt();
      if (found !== undefined) return found;
      assert.ok(performance.now() < deadline, `Nothing came of it: ${what}.`);
      await (this.world.pass === undefined ? sleep(POLL_MS) : this.world.pass(POLL_MS));
    }
  }

  /** Waits for the end of a lease that `holder` had of `this.flight`: until the process leads it. */
  leadIn(process: Process, request: Partial<JoinRequest> = {}): Promise<Fence> {
    return this.until('the lead, once the lease is over', async () => {
      const joined = await process.join(request);
      return joined.role === 'leader' ? joined.fence : undefined;
    });
  }

  async end(): Promise<void> {
    for (const process of this.processes) await process.engine.stop();
    await this.world.close?.();
  }
}

/** One process of the fleet: its engine, its token, and what it has been told. */
export class Process {
  readonly token = freshId();
  readonly pushes: Push[] = [];
  /** How often it was told that pushes may be missing. */
  resyncs = 0;

  constructor(
    private readonly scene: Scene,
    readonly engine: FlightEngine,
  ) {}

  join(request: Partial<JoinRequest> = {}): Promise<Joined> {
    const { scene, token } = this;
    return this.engine.join({ flight: scene.flight, token, leaseMs: scene.longMs, ...request }, never);
  }

  async lead(request: Partial<JoinRequest> = {}): Promise<Fence> {
    const joined = await this.join(request);
    assert.equal(joined.role, 'leader');
    return (joined as { fence: Fence }).fence;
  }

  async follow(fence: Fence, request: Partial<JoinRequest> = {}): Promise<number> {
    const joined = await this.join(request);
    assert.deepEqual(
      { ...joined, expiresInMs: undefined },
      { role: 'follower', fence, expiresInMs: undefined },
      'It follows that flight.',
    );
    return (joined as { expiresInMs: number }).expiresInMs;
  }

  /** Asks for a result that it has missed, without taking the lead. */
  async missed(since: Fence, expected: { fence: Fence; payload: Uint8Array }): Promise<void> {
    sameSettled(await this.join({ since, take: false }), expected);
  }

  renew(fence: Fence, request: Partial<RenewRequest> = {}): Promise<'held' | 'reclaimed' | 'lost'> {
    const { scene, token } = this;
    const whole = { flight: scene.flight, token, fence, leaseMs: scene.longMs, insideLease: true, ...request };
    return this.engine.renew(whole, never);
  }

  complete(fence: Fence, payload: Uint8Array, request: Partial<CompleteRequest> = {}): Promise<'published' | 'lost'> {
    const { scene, token } = this;
    const whole: CompleteRequest = {
      ...{ flight: scene.flight, token, fence, payload },
      ...{ retainMs: scene.longMs, lingerMs: 0, insideLease: true, retain: true },
      ...request,
    };
    return this.engine.complete(whole, never);
  }

  abandon(request: Partial<AbandonRequest> = {}): Promise<'abandoned' | 'waiting'> {
    return this.engine.abandon({ flight: this.scene.flight, token: this.token, ...request });
  }

  forget(): Promise<void> {
    return this.engine.forget({ flight: this.scene.flight });
  }

  /** Waits until it has been told. */
  told(kind: Push['kind'], fence: Fence): Promise<Push> {
    return this.scene.until(`a push that it has ${kind}`, () => this.about(kind, fence)[0]);
  }

  /** Waits until it has been told of a result, and gets that where the push does not have it. */
  async toldResult(fence: Fence, payload: Uint8Array): Promise<void> {
    const push = await this.told('settled', fence);
    if (push.payload === undefined) await this.missed(fence, { fence, payload });
    else assert.deepEqual(Buffer.from(push.payload), Buffer.from(payload));
  }

  /** Fails if it was told: once a later message, by the same way, has come through. */
  async notTold(kind: Push['kind'], fence: Fence): Promise<void> {
    await this.hear();
    assert.deepEqual(this.about(kind, fence), []);
  }

  private about(kind: Push['kind'], fence: Fence): Push[] {
    return this.pushes.filter(
      (push) => push.kind === kind && push.fence === fence && push.flight === this.scene.flight,
    );
  }

  /** A message from another flight: when it is here, so is all that was sent before. */
  private async hear(): Promise<void> {
    const [leader, flight] = [await this.scene.process(), freshId()];
    const fence = await leader.lead({ flight });
    await this.follow(fence, { flight });
    await leader.complete(fence, bytes('heard'), { flight });
    await this.scene.until('a message of another flight', () =>
      this.pushes.some((push) => push.flight === flight) ? true : undefined,
    );
  }

  // What its engine tells it.
  settled(flight: string, fence: Fence, payload?: Uint8Array): void {
    this.pushes.push({ kind: 'settled', flight, fence, payload });
  }

  abandoned(flight: string, fence: Fence): void {
    this.pushes.push({ kind: 'abandoned', flight, fence });
  }

  forgotten(flight: string, fence: Fence): void {
    this.pushes.push({ kind: 'forgotten', flight, fence });
  }

  resync(): void {
    this.resyncs++;
  }
}

/** A case in a world of its own, which is cleared away whatever becomes of it. */
export function contractCase(
  title: string,
  options: ContractOptions,
  act: (scene: Scene) => Promise<void>,
): ContractCase {
  const run = async (): Promise<void> => {
    const scene = new Scene(await options.make(), options);
    try {
      await act(scene);
    } finally {
      await scene.end();
    }
  };
  return { title, run };
}

export function sameSettled(joined: Joined, { fence, payload }: { fence: Fence; payload: Uint8Array }): void {
  assert.equal(joined.role, 'settled');
  const settled = joined as { fence: Fence; payload: Uint8Array };
  assert.equal(settled.fence, fence);
  assert.deepEqual(Buffer.from(settled.payload), Buffer.from(payload));
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** As the fleet makes ids and tokens: 24 characters of base64url. */
function freshId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString('base64url');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
