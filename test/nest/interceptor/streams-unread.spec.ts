import { Readable } from 'node:stream';
import { ReadableStream, type ReadableStreamDefaultController } from 'node:stream/web';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  StreamableFile,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { SingleFlightInterceptor } from 'nestjs-singleflight';
import { map, race, Subject, take, type Observable } from 'rxjs';
import { Client, until } from './support/client.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer } from './support/server.js';

const TEXT = 'a line of text\n'.repeat(10_000);

/** What was opened, in order, and whether it is closed again. */
let opened: { closed: boolean }[] = [];

function opening(): { closed: boolean } {
  const one = { closed: false };
  opened.push(one);
  return one;
}

const OPEN = {
  readable(): Readable {
    const one = opening();
    return Readable.from([Buffer.from(TEXT)]).once('close', () => (one.closed = true));
  },
  file: (): StreamableFile => new StreamableFile(OPEN.readable()),
  response(): Response {
    const one = opening();
    const source = {
      pull(controller: ReadableStreamDefaultController) {
        controller.enqueue(Buffer.from(TEXT));
        controller.close();
        one.closed = true;
      },
      cancel() {
        one.closed = true;
      },
    };
    // Not before somebody reads.
    const body = new ReadableStream(source, { highWaterMark: 0 });
    return new Response(body, { headers: { 'content-type': 'text/plain' } });
  },
};

/** Inside: makes of a name what it names. Newer releases of Nest close what the handler itself has opened. */
class Opening implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler<keyof typeof OPEN>): Observable<unknown> {
    return next.handle().pipe(map((kind) => OPEN[kind]()));
  }
}

let requests = 0;
const timeLimit = new Subject<string>();

/** Outside: answers the first request when its time is over, which a test decides. */
class TimeLimit implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return requests++ === 0 ? race(next.handle(), timeLimit.pipe(take(1))) : next.handle();
  }
}

@Controller()
class Files {
  @Get('of-the-handler')
  @UseInterceptors(SingleFlightInterceptor)
  async ofTheHandler(): Promise<StreamableFile> {
    await hold.work(undefined);
    return OPEN.file();
  }

  @Get('file')
  @UseInterceptors(SingleFlightInterceptor, Opening)
  file(): Promise<string> {
    return hold.work('file');
  }

  @Get('readable')
  @UseInterceptors(SingleFlightInterceptor, Opening)
  readable(): Promise<string> {
    return hold.work('readable');
  }

  @Get('response')
  @UseInterceptors(SingleFlightInterceptor, Opening)
  response(): Promise<string> {
    return hold.work('response');
  }

  @Get('lone')
  @UseInterceptors(SingleFlightInterceptor, Opening)
  lone(): Promise<string> {
    return hold.work('file');
  }

  @Get('limited')
  @UseInterceptors(TimeLimit, SingleFlightInterceptor, Opening)
  limited(): Promise<string> {
    return hold.work('file');
  }
}

describe.each(PLATFORMS)('What can be read only once, and its leader does not, on %s', (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, { controllers: [Files], imports: httpFlights() });
  });
  beforeEach(() => {
    opened = [];
    requests = 0;
    hold.shut();
  });
  afterEach(() => {
    hold.open();
  });
  afterAll(closeServers);

  async function join(path: string): Promise<Client> {
    const { callers } = server.stats();
    const client = new Client(server.port, path);
    await until(() => server.stats().callers === callers + 1);
    return client;
  }

  /** By whatever `leave` does to the leader. */
  async function whoLeaves(leave: () => void): Promise<void> {
    const { left } = server.stats();
    leave();
    await until(() => server.stats().left === left + 1);
    hold.open();
  }

  const allClosed = (count: number): Promise<void> =>
    until(() => opened.length === count && opened.every(({ closed }) => closed));

  it.each(['of-the-handler', 'file', 'readable', 'response'])(
    '%s: when its client has gone, it is closed, and the follower gets its own in full',
    async (path) => {
      const leader = await join(`/${path}`);
      const follower = await join(`/${path}`);
      await whoLeaves(() => {
        leader.hangUp();
      });
      expect((await follower.answer) === `200 ${TEXT}`).toBe(true);
      await allClosed(2);
      expect(hold.runs).toBe(2);
    },
  );

  it('when its client has gone, and there was no other', async () => {
    const leader = await join('/lone');
    await whoLeaves(() => {
      leader.hangUp();
    });
    await allClosed(1);
    expect(hold.runs).toBe(1);
  });

  it('when it was answered by a time limit outside', async () => {
    const leader = await join('/limited');
    const follower = await join('/limited');
    await whoLeaves(() => {
      timeLimit.next('too late');
    });
    await expect(leader.answer).resolves.toBe('200 too late');
    expect((await follower.answer) === `200 ${TEXT}`).toBe(true);
    await allClosed(2);
  });
});
