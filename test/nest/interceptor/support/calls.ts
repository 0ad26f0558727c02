import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { getSingleFlightToken, type SingleFlightService } from 'nestjs-singleflight';
import { until } from './client.js';
import { hold } from './server.js';

/** The service of the interceptor's group. */
export const flightsOf = (app: INestApplication): SingleFlightService =>
  app.get<SingleFlightService>(getSingleFlightToken('http'), { strict: false });

export const portOf = (app: INestApplication): number =>
  ((app.getHttpServer() as Server).address() as AddressInfo).port;

/** Until so many calls with a key have come in since the start, whether they fly together or alone; then they may go on. */
export async function letGo(app: INestApplication, calls: number): Promise<void> {
  await until(() => cameTo(app) >= calls);
  hold.open();
}

/** How many calls with a key have come in since the start. */
export function cameTo(app: INestApplication): number {
  const { callers, bypassed } = flightsOf(app).stats();
  return callers + bypassed;
}
