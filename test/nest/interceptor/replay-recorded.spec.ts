import { describe, expect, it } from '@jest/globals';
import { Group } from '../../../lib/core/group.js';
import { NOT_SHARED, received } from '../../../lib/nest/landed.js';
import type { HttpResponse } from '../../../lib/nest/http-exchange.js';
import { before, recordSince, replay } from '../../../lib/nest/replay.js';

type Headers = Record<string, string | number | string[]>;

/** As of both platforms, and of no connection. */
class Response implements HttpResponse {
  constructor(
    readonly headers: Headers = {},
    public statusCode = 200,
  ) {}

  getHeaders(): Headers {
    return { ...this.headers };
  }

  header(name: string, value: string | number | string[]): void {
    this.headers[name] = value;
  }

  removeHeader(name: string): void {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- as Node does
    delete this.headers[name];
  }

  status(code: number): void {
    this.statusCode = code;
  }
}

/** What a follower's response is after its leader's handler has done something to a response. */
function followerOf(handle: (response: Response) => void, early: Headers = {}): Response {
  const leader = new Response({ ...early });
  const initial = before(leader);
  handle(leader);
  const record = recordSince(initial, leader);
  if (record === undefined) throw new Error('It is not shared.');
  const follower = new Response({ ...early });
  replay(record, follower);
  return follower;
}

describe('What a handler does to its response', () => {
  it.each([
    ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'trailer', 'upgrade', 'date'],
    ...['content-length', 'access-control-allow-origin', 'Access-Control-Expose-Headers'],
  ])('%s stays its own: set, changed or taken away', (name) => {
    const set = (response: Response): void => {
      response.header(name, 'the leader’s');
    };
    const takeAway = (response: Response): void => {
      response.removeHeader(name);
    };
    expect(followerOf(set).headers).toEqual({});
    expect(followerOf(set, { [name]: 'own' }).headers).toEqual({ [name]: 'own' });
    expect(followerOf(takeAway, { [name]: 'own' }).headers).toEqual({ [name]: 'own' });
  });

  it.each(['x-anything', 'content-type', 'content-language', 'content-encoding', 'etag', 'cache-control', 'location'])(
    '%s is every follower’s',
    (name) => {
      expect(followerOf((response) => response.header(name, 'a')).headers).toEqual({ [name]: 'a' });
      expect(followerOf((response) => response.header(name, 'a'), { [name]: 'b' }).headers).toEqual({ [name]: 'a' });
      expect(followerOf((response) => response.removeHeader(name), { [name]: 'b' }).headers).toEqual({});
    },
  );

  it.each([
    ['to nothing', undefined, 'Accept-Language', 'accept-language'],
    ['to what its own response names', 'Origin', 'Accept-Language', 'origin, accept-language'],
    ['once', 'Origin, Accept-Language', 'accept-language, Origin, Cookie', 'origin, accept-language, cookie'],
    ['from a list', 'Origin', ['Accept-Language', 'Cookie'], 'origin, accept-language, cookie'],
  ])('what vary names is added %s', (_, own, named, expected) => {
    const early: Headers = own === undefined ? {} : { vary: own };
    const added = own === undefined ? named : [own, named].flat().join(', ');
    expect(followerOf((response) => response.header('vary', added), early).headers).toEqual({ vary: expected });
  });

  it('what vary named before is each response’s own', () => {
    const takeAway = (response: Response): void => {
      response.removeHeader('vary');
    };
    expect(followerOf(takeAway, { vary: 'Origin' }).headers).toEqual({ vary: 'Origin' });
    expect(followerOf((response) => response.header('vary', 'origin'), { vary: 'Origin' }).headers).toEqual({
      vary: 'Origin',
    });
  });

  it('what was there before is not replayed, though it is a list', () => {
    const leader = new Response({ 'x-list': ['a', 'b'], 'x-one': 'a' });
    const initial = before(leader);
    leader.header('x-list', ['a', 'b']);
    leader.header('x-free', 'yes');
    expect(recordSince(initial, leader)).toMatchObject({ headers: [['x-free', 'yes']] });
  });

  it('a list is recorded as it is then', () => {
    const leader = new Response();
    const initial = before(leader);
    const list = ['a'];
    leader.header('x-list', list);
    const record = recordSince(initial, leader);
    list.push('of somebody outside');
    expect(record).toMatchObject({ headers: [['x-list', ['a']]] });
  });

  it.each([
    [200, 201, 'shared'],
    [200, 299, 'shared'],
    [200, 300, 'not shared'],
    [200, 199, 'not shared'],
    [200, 404, 'not shared'],
    // What stands on the route is every response's own.
    [404, 404, 'shared'],
    [302, 302, 'shared'],
  ])('a status of %i that becomes %i is %s', (one, other, outcome) => {
    const leader = new Response({}, one);
    const initial = before(leader);
    leader.status(other);
    expect(recordSince(initial, leader) === undefined).toBe(outcome === 'not shared');
  });
});

describe('What came from another process of the fleet', () => {
  const limits = new Group().limits;
  const nothing = { headers: [], removed: [] };

  it('is replayed, where it is a recording', () => {
    const replay = {
      status: 201,
      headers: [['x-one', 'a'] as const, ['x-list', ['a', 'b']] as const],
      removed: ['x-two'],
      vary: ['accept-language'],
    };
    expect(received({ values: ['landed'], replay }, limits)).toMatchObject({ values: ['landed'], replay });
  });

  it.each([
    ['nothing', undefined],
    ['a text', 'landed'],
    ['no values', { replay: nothing }],
    ['no recording', { values: [] }],
    ['a status that is no success', { values: [], replay: { ...nothing, status: 404 } }],
    ['a header that is nothing', { values: [], replay: { ...nothing, headers: [null] } }],
    ['a header that is a text', { values: [], replay: { ...nothing, headers: ['ab'] } }],
    ['a header without a value', { values: [], replay: { ...nothing, headers: [['x-one']] } }],
    ['a header whose value is an object', { values: [], replay: { ...nothing, headers: [['x-one', {}]] } }],
    ['what vary names is no list', { values: [], replay: { ...nothing, vary: 'origin' } }],
    ['what vary names is an object', { values: [], replay: { ...nothing, vary: [{}] } }],
    ['what was removed is no list', { values: [], replay: { headers: [], removed: 'x-one' } }],
  ])('is nobody’s, where it is none: %s', (_, came) => {
    expect(received(came, limits)).toBe(NOT_SHARED);
  });
});
