import type { SingleFlightError } from './errors.js';

/** How a function is told to stop: a signal, made when it is first read. */
export class Stop {
  /** Written once, when the signal is first read. */
  private controller: AbortController | undefined = undefined;
  /** Why the signal aborts; written once, when it does or would. */
  private reason: SingleFlightError | undefined = undefined;

  /** Whether the function can be stopped, because it has read its signal, and has not been. */
  get possible(): boolean {
    return this.controller !== undefined && this.reason === undefined;
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.reason !== undefined) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  /** Aborts the signal, now or when it is first read. */
  abort(reason: SingleFlightError): void {
    this.reason ??= reason;
    this.controller?.abort(this.reason);
  }
}
