import type { CallHandler, ExecutionContext } from '@nestjs/common';
import { Observable } from 'rxjs';
import type { Flight } from '../core/flight.js';
import { enterHandler } from './current-flight.js';
import { flightLedIn, signalOf } from './flight-signal.decorator.js';
import type { RequestKey } from './request-key.js';

/** A handler whose flight is the current one while it runs: that of its requests, or one of its own. */
export function withFlight(context: ExecutionContext, next: CallHandler): CallHandler {
  const flight = new HandlerFlight(context);
  return {
    handle: () => new Observable((subscriber) => enterHandler(flight, () => next.handle().subscribe(subscriber))),
  };
}

/** What is asked for is looked up when it is: a request may turn out to go alone after it has led. */
class HandlerFlight implements Flight {
  /** Its own, once that was asked for: the request may come to lead another, when it is tried again. */
  private led: Flight<unknown> | undefined = undefined;

  constructor(private readonly context: ExecutionContext) {}

  private get flight(): Flight<unknown> | undefined {
    return (this.led ??= flightLedIn(this.context));
  }

  get key(): string {
    const flight = this.flight as Flight<RequestKey | string> | undefined;
    return String(flight?.key ?? `${this.context.getClass().name}.${this.context.getHandler().name}`);
  }

  get signal(): AbortSignal {
    return this.flight?.signal ?? signalOf(this.context);
  }

  get fence(): bigint | undefined {
    return this.flight?.fence;
  }
}
