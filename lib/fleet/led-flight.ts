import { endWith, type Execution } from '../core/adopt.js';
import type { SingleFlightError } from '../core/errors.js';
import type { Flight, FlightFunction } from '../core/flight.js';
import { Stop } from '../core/stop.js';
import type { Fence } from './engine.js';

/** What a function that runs in this process tells the flight it is run for. */
export interface LedFlightHost {
  /** The function can be stopped from now on. */
  signalRead(): void;
  ended(led: LedFlight, ok: boolean, outcome: unknown): void;
}

/** One run of a function in this process, as the function sees it: under a fence where this process leads the fleet. */
export class LedFlight implements Flight, Execution {
  private readonly stop = new Stop();

  constructor(
    private readonly host: LedFlightHost,
    readonly key: string,
    readonly fence: Fence | undefined,
  ) {}

  get signal(): AbortSignal {
    const { signal } = this.stop;
    this.host.signalRead();
    return signal;
  }

  /** Whether the function has read its signal, and has not been stopped. */
  get stoppable(): boolean {
    return this.stop.possible;
  }

  run(fn: FlightFunction<unknown>): void {
    try {
      void endWith(this, fn(this));
    } catch (error) {
      this.end(false, error);
    }
  }

  abort(reason: SingleFlightError): void {
    this.stop.abort(reason);
  }

  end(ok: boolean, outcome: unknown): void {
    this.host.ended(this, ok, outcome);
  }
}
