import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, StreamableFile } from '@nestjs/common';
import { SingleFlight, singleFlightOf, SingleFlightModule, SingleFlightService } from 'nestjs-singleflight';
import { closeApps, listen, PLATFORMS } from './support/apps.js';
import { rejection, until, Work } from './support/work.js';

@Injectable()
class Files {
  readonly work = new Work<unknown>();

  @SingleFlight((id: string) => id)
  open(id: string): Promise<unknown> {
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id, { waitTimeoutMs: 10_000 })
  async patiently(id: string): Promise<unknown> {
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id, { lingerMs: 10_000 })
  async lingering(id: string): Promise<unknown> {
    return this.work.execute(id);
  }
}

function* numbers() {
  yield 1;
}

async function* pages() {
  yield 1;
}

const singleUse: [what: string, make: () => unknown][] = [
  ['a stream', () => Readable.from(['text'])],
  ['a ReadableStream', () => new ReadableStream()],
  ['a ReadableStream', () => new Blob(['text']).stream()],
  ['a Response', () => new Response('text')],
  ['a Request', () => new Request('http://localhost/', { method: 'POST', body: 'text' })],
  ['a StreamableFile', () => new StreamableFile(Readable.from(['text']))],
  ['an iterator', () => numbers()],
  ['an iterator', () => [1, 2][Symbol.iterator]()],
  ['an async iterator', () => pages()],
];

const shareable: [what: string, make: () => unknown][] = [
  ['an object', () => ({ next: 1, pipe: true })],
  ['an array', () => [1, 2]],
  ['a Buffer', () => Buffer.from('text')],
  ['a Blob', () => new Blob(['text'])],
  ['a Map', () => new Map([[1, 2]])],
  ['a function', () => () => 1],
  ['a string', () => 'text'],
  ['null', () => null],
  ['undefined', () => undefined],
];

const files = new Files();
const wrapped = new SingleFlightService().wrap(
  (id: string) => files.work.execute(id),
  (id) => id,
);
const callers: [how: string, call: (id: string) => Promise<unknown>, group: string, key: string][] = [
  ['a decorated method', (id) => files.open(id), 'Files.open', 'id'],
  ['a decorated method whose callers can leave', (id) => files.patiently(id), 'Files.patiently', 'id'],
  ['a wrapped function', wrapped, 'default', ' id'],
];

describe.each(callers)('A single-use result of %s', (_, call, group, key) => {
  it.each(singleUse)('%s: the leader gets it, the followers an UnshareableResultError', async (what, make) => {
    const result = make();
    const leader = call('id');
    const followers = [rejection(call('id')), rejection(call('id'))];
    files.work.resolve(result);
    expect(await leader).toBe(result);
    for (const error of await Promise.all(followers)) {
      expect(error).toMatchObject({ code: 'ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT', what, group });
      const { message, describedKey } = error as { message: string; describedKey: string };
      expect(describedKey.endsWith(key)).toBe(true);
      expect(message).toBe(
        `The function came back with ${what} for key '${describedKey}' in group '${group}', which cannot be shared ` +
          'between callers. Return something that can be read any number of times (such as a Buffer, a string or an ' +
          'array), or do not coalesce this method. [ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT]',
      );
    }
  });

  it.each(singleUse)('%s: a lone caller gets it', async (__, make) => {
    const result = make();
    const lone = call('id');
    files.work.resolve(result);
    expect(await lone).toBe(result);
  });

  it.each(shareable)('%s is none: everybody gets it', async (__, make) => {
    const result = make();
    const calls = [call('id'), call('id')];
    files.work.resolve(result);
    expect(await Promise.all(calls)).toEqual([result, result]);
  });
});

describe('A single-use result that lingers', () => {
  it('is for the leader only', async () => {
    const result = Readable.from(['text']);
    const leader = files.lingering('id');
    files.work.resolve(result);
    expect(await leader).toBe(result);
    expect(await rejection(files.lingering('id'))).toMatchObject({ code: 'ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT' });
    expect(singleFlightOf(files, 'lingering').forget('id')).toBe(true);
  });
});

describe('A single-use result that nobody waits for', () => {
  it('leaves no unhandled rejection behind', async () => {
    const leader = files.open('id');
    void files.open('id');
    void files.patiently('id');
    files.work.resolve(Readable.from(['text']));
    await leader;
  });
});

describe.each(PLATFORMS)('A StreamableFile on %s', (platform) => {
  @Controller()
  class Downloads {
    readonly work = new Work<StreamableFile>();

    @Get('file')
    @SingleFlight(() => 'file')
    file(): Promise<StreamableFile> {
      return this.work.execute();
    }
  }

  it('is sent to the leader whole, and the followers are told rather than kept waiting', async () => {
    const { app, fetch } = await listen(platform, {
      imports: [SingleFlightModule.forRoot()],
      controllers: [Downloads],
    });
    const downloads = app.get(Downloads);
    const requests = [fetch('/file'), fetch('/file'), fetch('/file')];
    await until(() => singleFlightOf(downloads, 'file').inFlight()[0]?.callers === 3);
    downloads.work.resolve(new StreamableFile(Buffer.from('the whole file')));
    const answers = await Promise.all(
      requests.map(async (request) => {
        const response = await request;
        return [response.status, await response.text()] as const;
      }),
    );
    expect(answers.filter(([status]) => status === 200)).toEqual([[200, 'the whole file']]);
    expect(answers.filter(([status]) => status === 500)).toHaveLength(2);
    expect(downloads.work.count).toBe(1);
  });
});

afterEach(closeApps);
