import { GatewayTimeoutException, HttpException, ServiceUnavailableException, type CallHandler } from '@nestjs/common';
import { catchError, throwError, type Observable } from 'rxjs';
import {
  FlightTimeoutError,
  GroupClosedError,
  TooManyFlightsError,
  TooManyFollowersError,
  WaitTimeoutError,
} from '../core/errors.js';
import { EngineTimeoutError, EngineUnavailableError } from '../fleet/errors.js';
import { isAnswered, type HttpResponse } from './http-exchange.js';

/** In seconds: flights are short, and a client that asks again soon joins one or finds a place. */
const RETRY_AFTER = '1';
/** As proxies log it: the client had gone before it was answered. Nobody receives it. */
const CLIENT_CLOSED_REQUEST = 499;

const BUSY = [
  ...[TooManyFlightsError, TooManyFollowersError, WaitTimeoutError, GroupClosedError],
  ...[EngineUnavailableError, EngineTimeoutError],
];

/**
 * What a client is told of this library's errors: 503 with Retry-After where it may ask again, 504 where the handler
 * took too long. Never the key. Any other error is as it is; the cause is there for a filter's log.
 */
export function httpError(error: unknown, response: HttpResponse | undefined): unknown {
  if (BUSY.some((kind) => error instanceof kind)) {
    // A middleware may have answered meanwhile.
    if (!isAnswered(response)) response?.header('Retry-After', RETRY_AFTER);
    return new ServiceUnavailableException(undefined, { cause: error });
  }
  return error instanceof FlightTimeoutError ? new GatewayTimeoutException(undefined, { cause: error }) : error;
}

/** What a request whose client has gone comes to: outer interceptors see it, no filter logs it. */
export function clientClosedRequest(): HttpException {
  return new HttpException('Client Closed Request', CLIENT_CLOSED_REQUEST);
}

/** The handler's own answer, for a request that goes alone. */
export function answeredAlone(next: CallHandler, response: HttpResponse): Observable<unknown> {
  return next.handle().pipe(catchError((error: unknown) => throwError(() => httpError(error, response))));
}
