import { getEventListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Res, UseInterceptors } from '@nestjs/common';
import { FlightSignal, SingleFlightInterceptor, SingleFlightShare, SkipSingleFlight } from 'nestjs-singleflight';
import { Client, until } from './support/client.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer, turn } from './support/server.js';

interface AnyResponse {
  header(name: string, value: string): this;
}

/** How many responses are over, in whichever way. */
let closed = 0;
/** The signals that handlers were given, and what waits until one of them aborts. */
let signals: AbortSignal[] = [];

@Controller('leaving')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Leaving {
  @Get('plain')
  plain(): Promise<string> {
    return hold.work('plain');
  }

  @Get('signalled')
  signalled(@FlightSignal() signal: AbortSignal): Promise<string> {
    signals.push(signal);
    return hold.work('signalled');
  }

  @Get('passthrough')
  async passthrough(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    const value = await hold.work('passed');
    response.header('x-run', String(hold.runs));
    return value;
  }

  @Get('alone')
  @SkipSingleFlight()
  alone(@FlightSignal() signal: AbortSignal, @FlightSignal() again: AbortSignal): Promise<string> {
    signals.push(signal, again);
    return hold.work('alone');
  }
}

describe.each(PLATFORMS)('A client that goes away, on %s', (platform) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start(platform, {
      imports: httpFlights(),
      controllers: [Leaving],
      setup: (app) =>
        app.use((_request: unknown, response: ServerResponse, next: () => void) => {
          response.on('close', () => closed++);
          next();
        }),
    });
  });
  afterAll(closeServers);

  /** So many clients, all of whom have joined. */
  async function join(path: string, count: number): Promise<Client[]> {
    signals = [];
    hold.shut();
    const { callers } = server.stats();
    const { bypassed } = server.stats();
    const clients: Client[] = [];
    for (let index = 0; index < count; index++) {
      clients.push(new Client(server.port, `/leaving/${path}`));
      await until(() => server.stats().callers + server.stats().bypassed === callers + bypassed + index + 1);
    }
    return clients;
  }

  it('leaves the flight; the others are answered', async () => {
    const { left, flights } = server.stats();
    const [leader, follower, other] = await join('plain', 3);
    follower!.hangUp();
    await until(() => server.stats().left === left + 1);
    hold.open();
    await expect(leader!.answer).resolves.toBe('200 plain');
    await expect(other!.answer).resolves.toBe('200 plain');
    await expect(follower!.answer).rejects.toThrow('hung up');
    expect(server.stats()).toMatchObject({ flights: flights + 1, active: 0 });
  });

  it('may be the leader: nobody is harmed', async () => {
    const { left } = server.stats();
    const [leader, follower] = await join('plain', 2);
    leader!.hangUp();
    await until(() => server.stats().left === left + 1);
    const late = new Client(server.port, '/leaving/plain');
    await until(() => server.flights.inFlight()[0]?.callers === 2);
    hold.open();
    await expect(follower!.answer).resolves.toBe('200 plain');
    await expect(late.answer).resolves.toBe('200 plain');
    expect(hold.runs).toBe(1);
  });

  it('may be the leader of a handler that sets headers: the followers get them', async () => {
    const { left } = server.stats();
    const [leader, follower] = await join('passthrough', 2);
    leader!.hangUp();
    await until(() => server.stats().left === left + 1);
    hold.open();
    await expect(follower!.answer).resolves.toBe('200 passed');
    expect(hold.runs).toBe(1);
  });

  it('as the last one dooms the flight of a handler that took the signal: it aborts, and the key is free', async () => {
    const { left } = server.stats();
    const [leader, follower] = await join('signalled', 2);
    expect(signals).toHaveLength(1);
    follower!.hangUp();
    await until(() => server.stats().left === left + 1);
    expect(signals[0]!.aborted).toBe(false);
    leader!.hangUp();
    await until(() => signals[0]!.aborted);
    expect((signals[0]!.reason as Error).name).toBe('AbandonedError');
    const again = new Client(server.port, '/leaving/signalled');
    await until(() => signals.length === 2);
    hold.open();
    await expect(again.answer).resolves.toBe('200 signalled');
  });

  it('as the last one leaves a handler that did not take it alone: it is joined by who comes next', async () => {
    const { left } = server.stats();
    const [only] = await join('plain', 1);
    only!.hangUp();
    await until(() => server.stats().left === left + 1);
    const next = new Client(server.port, '/leaving/plain');
    await until(() => server.flights.inFlight()[0]?.callers === 1);
    hold.open();
    await expect(next.answer).resolves.toBe('200 plain');
    expect(hold.runs).toBe(1);
  });

  it('aborts the signal of a handler that goes alone', async () => {
    const [only] = await join('alone', 1);
    await until(() => signals.length === 2);
    expect(signals[0]).toBe(signals[1]);
    expect(signals[0]!.aborted).toBe(false);
    only!.hangUp();
    await until(() => signals[0]!.aborted);
    hold.open();
    expect(getEventListeners(signals[0]!, 'abort')).toHaveLength(0);
  });

  it('does not, when it only goes once it is answered', async () => {
    const before = closed;
    const [only] = await join('alone', 1);
    hold.open();
    await expect(only!.answer).resolves.toBe('200 alone');
    await until(() => closed > before);
    await turn();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  it('leaves nothing behind', async () => {
    hold.open();
    await until(() => server.stats().active === 0);
    expect(server.flights.inFlight()).toEqual([]);
    expect(server.flights.group.size).toBe(0);
  });
});
