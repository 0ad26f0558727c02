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
import { EngineUnavailableError } from '../fleet/errors.js';

/** How often, from 0 for never to 1 for always, something goes wrong. */
export interface ChaosOptions {
  /** Where chance comes from, from 0 to below 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** A push is lost. */
  readonly drop?: number;
  /** A push, an answer or a call comes late: after up to `delayMs`, so that others overtake it. */
  readonly delay?: number;
  /** How late at most, in milliseconds. Default: 50. */
  readonly delayMs?: number;
  /** A push comes twice, or a call is made twice as by a client that sends again. */
  readonly repeat?: number;
  /** A call is refused: nothing was done. */
  readonly refuse?: number;
  /** The answer to a call is lost: it may have been done, or not. */
  readonly lose?: number;
}

/** Makes an engine go down, hang and come back by hand. */
export interface ChaosControls {
  /** It says that it is not available, and refuses. */
  goDown(): void;
  /** It refuses, and says that it is available. */
  refuse(): void;
  /** It says that it is available, and answers nothing, until it comes back: then it does what it was asked. */
  hang(): void;
  /** No push comes through. */
  deafen(): void;
  /** All is well again. Pushes that were lost stay lost. */
  comeBack(): void;
  /** As an engine does whose connection has come back. */
  resync(): void;
}

/** An engine with faults. */
export interface ChaosEngine extends FlightEngine {
  readonly controls: ChaosControls;
}

/**
 * Stands around an engine and loses, delays, repeats and reorders what it tells and what it is asked: to see that flights
 * settle all the same. What it does by chance it does by `random`: with one that repeats itself, so does it.
 *
 * @example
 * ```ts
 * import { FleetGroup, MemoryEngine, MemoryHub } from 'nestjs-singleflight/fleet';
 * import { chaosEngine } from 'nestjs-singleflight/testing';
 *
 * const engine = chaosEngine(new MemoryEngine(new MemoryHub()), { drop: 0.5 });
 * const products = new FleetGroup({ app: 'shop', fleet: 'product', engine });
 * engine.controls.goDown();
 * console.log(await products.run('42', () => 'a lamp')); // 'a lamp': it ran here alone
 * await products.close();
 * ```
 */
export function chaosEngine(engine: FlightEngine, options: ChaosOptions = {}): ChaosEngine {
  return new Chaos(engine, options);
}

class Chaos implements ChaosEngine {
  private mode: 'well' | 'down' | 'refusing' | 'hanging' = 'well';
  private deaf = false;
  private sink: FlightSink | undefined = undefined;
  /** What is to be done once it hangs no more. */
  private held: (() => void)[] = [];
  private readonly random: () => number;
  readonly controls: ChaosControls;

  constructor(
    private readonly engine: FlightEngine,
    private readonly options: ChaosOptions,
  ) {
    this.random = options.random ?? Math.random;
    const set = (mode: typeof this.mode) => () => {
      this.mode = mode;
    };
    this.controls = {
      goDown: set('down'),
      refuse: set('refusing'),
      hang: set('hanging'),
      deafen: () => {
        this.deaf = true;
      },
      comeBack: () => {
        this.mode = 'well';
        this.deaf = false;
        for (const go of this.held.splice(0)) go();
      },
      resync: () => this.sink?.resync(),
    };
  }

  get name(): string {
    return this.engine.name;
  }

  get available(): boolean {
    return this.mode !== 'down' && this.engine.available;
  }

  get limits(): EngineLimits {
    return this.engine.limits;
  }

  start(sink: FlightSink): Promise<void> {
    this.sink = sink;
    const push = (tell: () => void): void => {
      this.push(tell);
    };
    return this.call(() =>
      this.engine.start({
        settled: (...facts) => {
          push(() => {
            sink.settled(...facts);
          });
        },
        abandoned: (...facts) => {
          push(() => {
            sink.abandoned(...facts);
          });
        },
        forgotten: (...facts) => {
          push(() => {
            sink.forgotten(...facts);
          });
        },
        resync: () => {
          sink.resync();
        },
      }),
    );
  }

  join(request: JoinRequest, signal: AbortSignal): Promise<Joined> {
    return this.call(() => this.engine.join(request, signal));
  }

  renew(request: RenewRequest, signal: AbortSignal): Promise<'held' | 'reclaimed' | 'lost'> {
    return this.call(() => this.engine.renew(request, signal));
  }

  complete(request: CompleteRequest, signal: AbortSignal): Promise<'published' | 'lost'> {
    return this.call(() => this.engine.complete(request, signal));
  }

  async abandon(request: AbandonRequest): Promise<'abandoned' | 'waiting'> {
    try {
      return await this.call(() => this.engine.abandon(request));
    } catch {
      return 'abandoned';
    }
  }

  forget(request: ForgetRequest): Promise<void> {
    return this.call(() => this.engine.forget(request));
  }

  stop(): Promise<void> {
    this.deaf = true;
    return this.engine.stop();
  }

  private async call<T>(ask: () => Promise<T>): Promise<T> {
    if (this.mode === 'down' || this.mode === 'refusing' || this.happens('refuse')) {
      throw new EngineUnavailableError(this.name);
    }
    if (this.mode === 'hanging') {
      await new Promise<void>((resolve) => {
        this.held.push(resolve);
      });
    }
    await this.maybeLate();
    if (this.happens('repeat')) await ask();
    const answer = await ask();
    if (this.happens('lose')) return new Promise(() => undefined);
    await this.maybeLate();
    return answer;
  }

  private push(tell: () => void): void {
    if (this.mode !== 'well' || this.happens('drop')) return;
    const times = this.happens('repeat') ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const late = (): void => {
        if (!this.deaf) tell();
      };
      if (this.happens('delay')) setTimeout(late, this.lateMs());
      else late();
    }
  }

  private maybeLate(): Promise<void> | undefined {
    if (!this.happens('delay')) return undefined;
    return new Promise((resolve) => {
      setTimeout(resolve, this.lateMs());
    });
  }

  private lateMs(): number {
    return this.random() * (this.options.delayMs ?? 50);
  }

  private happens(fault: 'drop' | 'delay' | 'repeat' | 'refuse' | 'lose'): boolean {
    const chance = this.options[fault];
    return chance !== undefined && this.random() < chance;
  }
}
