import { serialize } from 'node:v8';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  FlightTimeoutError,
  InvalidOptionError,
  NoResultError,
  UnshareableResultError,
} from '../../lib/core/errors.js';
import { Cargo } from '../../lib/fleet/cargo.js';
import { structuredCodec, type Codec } from '../../lib/fleet/codec.js';
import { opened, sealed } from '../../lib/fleet/envelope.js';
import { ErrorCodec, type ErrorClass } from '../../lib/fleet/error-codec.js';
import { RemoteError } from '../../lib/fleet/errors.js';
import { flightId } from '../../lib/fleet/flight-id.js';

const place = (): { group: string; describedKey: string } => ({ group: 'products', describedKey: '42' });

class Money {
  constructor(
    readonly amount: bigint,
    readonly currency: string,
  ) {
    if (typeof amount !== 'bigint') throw new Error('The constructor has run.');
  }
  get text(): string {
    return `${this.amount} ${this.currency}`;
  }
}

describe('The structured codec', () => {
  const codec = structuredCodec();
  const again = (value: unknown): unknown => codec.decode(codec.encode(value, place));

  it.each<[string, unknown]>([
    ...([undefined, null, true, 0, -0, NaN, Infinity, 'a lamp', '', '\ud800', 42n] as const).map(
      (value) => [typeof value, value] as [string, unknown],
    ),
    ['a record', { a: { b: [1, undefined, 'c'] } }],
    ['a list', [1, [2, [3]]]],
    ['a date', new Date(0)],
    ['a regular expression', /a+/gi],
    ['a map', new Map<unknown, unknown>([['a', new Map([[1, 2]])]])],
    ['a set', new Set([1, 'a', null])],
    ['bytes', new Uint8Array([1, 2, 3])],
    ['numbers', new Float64Array([1.5, -0])],
    ['a buffer', Buffer.from('a lamp')],
    ['__proto__', JSON.parse('{"__proto__":1}')],
  ])('carries %s: %p', (_, value) => {
    expect(again(value)).toEqual(value);
  });

  it('keeps what is shared and what goes round', () => {
    const shared = { a: 1 };
    const value: Record<string, unknown> = { one: shared, two: shared };
    value.self = value;
    const came = again(value) as typeof value;
    expect(came.one).toBe(came.two);
    expect(came.self).toBe(came);
  });

  it('carries an error without its stack', () => {
    const bytes = Buffer.from(codec.encode({ error: new TypeError('broken') }, place));
    expect(bytes.includes('codec.spec')).toBe(false);
    expect((codec.decode(bytes) as { error: Error }).error.message).toBe('broken');
  });

  it.each<[string, unknown, string]>([
    ['an instance', new Money(1n, 'EUR'), 'an instance of Money'],
    [
      'deep within',
      { list: [new Map([['m', new Money(1n, 'EUR')]])] },
      'an instance of Money at result.list[0]<value>',
    ],
    ['a function', { fn: () => 1 }, 'a function at result.fn'],
    ['a symbol', [Symbol('s')], 'a symbol at result[0]'],
    ['a promise', Promise.resolve(1), 'an instance of Promise'],
  ])('refuses %s with name and path', (_, value, what) => {
    expect(() => codec.encode(value, place)).toThrow(expect.objectContaining({ what, group: 'products' }));
    expect(() => codec.encode(value, place)).toThrow(UnshareableResultError);
  });

  it('carries instances of registered classes, without their constructor having run', () => {
    const registered = structuredCodec({ classes: [{ class: Money }] });
    const price = new Money(5n, 'EUR');
    const came = registered.decode(registered.encode({ price, list: [price] }, place)) as {
      price: Money;
      list: Money[];
    };
    expect(came.price).toBeInstanceOf(Money);
    expect(came.price.text).toBe('5 EUR');
    expect(came.list[0]).toBe(came.price);
  });

  it.each<[string, unknown]>([
    ['a class that is not registered', [{}, [[{}, 'Money']]]],
    ['the name of a constructor', [{}, [[{}, 'Array']]]],
    ['no instances', [1]],
    ['a number', 1],
    ['an instance that is none', [1, [[null, 'Known']]]],
  ])('reads no %s', (_, data) => {
    const known = structuredCodec({ classes: [{ class: Money, name: 'Known', properties: ['amount'] }] });
    expect(() => known.decode(serialize(data))).toThrow(TypeError);
  });

  it('refuses two classes with one name, and what is no class', () => {
    expect(() => structuredCodec({ classes: [{ class: Money }, { class: Money }] })).toThrow(InvalidOptionError);
    expect(() => structuredCodec({ classes: [{ class: 1 as never }] })).toThrow(InvalidOptionError);
  });
});

class OutOfStock extends Error {
  constructor(readonly sku: string) {
    super(`${sku} is out of stock`);
    if (typeof sku !== 'string') throw new Error('The constructor has run.');
  }
}
class Discontinued extends OutOfStock {}
class Unknown extends Error {
  override readonly name = 'UnknownError';
  readonly code = 'E_UNKNOWN';
}

describe('Errors', () => {
  const errors: ErrorClass[] = [{ class: OutOfStock, properties: ['sku', 'cause'] }];
  const codec = new ErrorCodec(errors);
  const again = (error: Error): Error & Record<string, unknown> =>
    codec.decode(codec.encode(error, place), place()) as Error & Record<string, unknown>;

  it.each([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError])(
    'of the language arrive as themselves: %p',
    (type) => {
      const came = again(Object.assign(new type('broken'), { code: 'E_BROKEN' }));
      expect(came).toBeInstanceOf(type);
      expect(came).toMatchObject({ name: type.name, message: 'broken', code: 'E_BROKEN' });
      expect(came.stack).not.toContain('codec.spec');
    },
  );

  it('of several arrive with each', () => {
    const came = again(new AggregateError([new TypeError('one'), new Unknown('two'), 'three'], 'all'));
    expect(came).toBeInstanceOf(AggregateError);
    expect(came.errors).toMatchObject([
      { name: 'TypeError', message: 'one' },
      { remoteName: 'UnknownError', remoteMessage: 'two' },
      { message: 'three' },
    ]);
  });

  it('of registered classes arrive as themselves, with the listed properties, and the message of their cause', () => {
    const error = Object.assign(new OutOfStock('lamp'), { secret: 's', cause: new Unknown('why') });
    const came = again(error);
    expect(came).toBeInstanceOf(OutOfStock);
    expect(came).toMatchObject({ sku: 'lamp', message: 'lamp is out of stock' });
    expect((came.cause as Error).message).toBe('why');
    expect('secret' in came).toBe(false);
  });

  it('of their subclasses arrive as the registered class, under their own name', () => {
    const error = new Discontinued('lamp');
    error.name = 'Discontinued';
    expect(again(error)).toBeInstanceOf(OutOfStock);
    expect(again(error)).toMatchObject({ name: 'Discontinued', sku: 'lamp' });
  });

  it('of any other class that has no name of its own arrive under the name of their class', () => {
    class NoSeatLeft extends Error {}
    expect(again(new NoSeatLeft('full'))).toMatchObject({ remoteName: 'NoSeatLeft', remoteMessage: 'full' });
    expect(again(new (class extends Error {})('full'))).toMatchObject({ remoteName: 'Error' });
    expect(again(Object.assign(new NoSeatLeft('full'), { name: 'Full' }))).toMatchObject({ remoteName: 'Full' });
    // What comes back as itself keeps the name that it has.
    expect(again(new OutOfStock('lamp')).name).toBe('Error');
  });

  it('of any other class arrive as a RemoteError', () => {
    const came = again(new Unknown('broken'));
    expect(came).toBeInstanceOf(RemoteError);
    expect(came).toMatchObject({
      remoteName: 'UnknownError',
      remoteMessage: 'broken',
      remoteCode: 'E_UNKNOWN',
      ...place(),
    });
    expect(came.message).toBe(
      "The function failed in another process for key '42' in group 'products': UnknownError: broken. Register the " +
        "error's class with `errors` to get it as itself. [ERR_SINGLEFLIGHT_REMOTE]",
    );
  });

  it('of this library arrive as themselves', () => {
    expect(again(new FlightTimeoutError(place(), 5))).toBeInstanceOf(FlightTimeoutError);
    expect(again(new FlightTimeoutError(place(), 5))).toMatchObject({ flightTimeoutMs: 5, ...place() });
    expect(again(new NoResultError({}))).toBeInstanceOf(NoResultError);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a constructor that is none of the language', { kind: 'built-in', class: 'Function', name: 'a', message: 'b' }],
    ['a message that is none', { kind: 'built-in', class: 'Error', name: 'a', message: {} }],
    ['another kind', { kind: 'eval', class: 'Error', name: 'a', message: 'b' }],
    ['errors without end', { kind: 'aggregate', class: 'AggregateError', name: 'a', message: 'b' }],
  ])('are not made of %s', (_, data) => {
    expect(() => codec.decode(structuredCodec().encode(data, place), place())).toThrow(TypeError);
  });

  it('are registered once, and are errors', () => {
    expect(() => new ErrorCodec([...errors, ...errors])).toThrow(InvalidOptionError);
    expect(() => new ErrorCodec([{ class: Money as never }])).toThrow(InvalidOptionError);
  });
});

describe('Cargo', () => {
  let warn: jest.SpiedFunction<typeof process.emitWarning>;
  beforeEach(() => {
    warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => {
    warn.mockRestore();
  });
  const engine = { name: 'memory', limits: { maxPayloadBytes: 200 } };
  const cargoOf = (codec: Codec = structuredCodec()): Cargo => new Cargo(codec, new ErrorCodec([]), engine);
  const warned = (): unknown[] => warn.mock.calls.map(([message]) => message);

  it.each<[string, boolean, unknown]>([
    ['a value', true, { a: 1 }],
    ['undefined', true, undefined],
    ['an error', false, new TypeError('broken')],
    ...(['text', null, undefined, 0, ''] as const).map(
      (thrown) => ['something thrown that is no error', false, thrown] as [string, boolean, unknown],
    ),
  ])('brings %s: %p %p', (_, ok, outcome) => {
    const cargo = cargoOf();
    expect(cargo.unpack(cargo.pack(ok, outcome, 'product', place), 'product', place)).toEqual({
      kind: 'settled',
      ok,
      outcome,
    });
  });

  it('says that a result cannot be shared, and warns once per name', () => {
    const cargo = cargoOf();
    for (const value of [new Money(1n, 'EUR'), new Money(2n, 'EUR'), 'x'.repeat(300)]) {
      expect(cargo.unpack(cargo.pack(true, value, 'product', place), 'product', place)).toEqual({ kind: 'none' });
    }
    cargo.pack(true, 'x'.repeat(300), 'price', place);
    expect(warned()).toEqual([
      "The flight 'product' cannot be shared with the other processes of the fleet, which run its function themselves: " +
        'it came back with an instance of Money. Return a plain object, or register the class: ' +
        'structuredCodec({ classes: [{ class: Money }] }).',
      expect.stringMatching(
        /^The flight 'price' cannot be shared .* The result takes \d+ bytes, and the engine 'memory'/,
      ),
    ]);
  });

  it('tells of registering a class only where that helps', () => {
    const sold = new ErrorCodec([{ class: OutOfStock, properties: ['sku'] }]);
    const cargo = new Cargo(structuredCodec(), sold, engine);
    const failed = Object.assign(new OutOfStock('lamp'), { sku: new Money(1n, 'EUR') });
    cargo.pack(true, [{ price: new Money(1n, 'EUR') }], 'deep', place);
    cargo.pack(true, new (class extends Money {})(1n, 'EUR'), 'nameless', place);
    cargo.pack(true, [(): number => 1], 'function', place);
    cargo.pack(false, failed, 'failed', place);
    expect(warned().map((line) => String(line).replace(/^.*(?=it came)/, ''))).toEqual([
      'it came back with an instance of Money at result[0].price. Return a plain object, or register the class: ' +
        'structuredCodec({ classes: [{ class: Money }] }).',
      'it came back with an instance of a class without a name. Return a plain object, or register the class: ' +
        'structuredCodec({ classes: [{ class: … }] }).',
      'it came back with a function at result[0].',
      expect.stringMatching(/^it came back with an instance of Money at result.*sku\.$/),
    ]);
  });

  const good = sealed({ kind: 'value', codec: 'v8', body: structuredCodec().encode('a lamp', place) });
  const changed = (at: number, byte: number): Uint8Array =>
    Uint8Array.from(good, (one, index) => (index === at ? byte : one));

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'it is no envelope of this library'],
    ['text', Buffer.from('a lamp'), 'it is no envelope of this library'],
    ['a newer version', changed(2, 2), 'it is of version 2, and this is version 1'],
    ['an unknown kind', changed(3, 9), 'it is of the unknown kind 9'],
    ['one cut off', good.subarray(0, 6), 'it is cut off'],
    ['another codec', changed(5, 0x78), "it is of the codec 'x8', and here is 'v8'"],
  ])('reads no %s', (_, payload, why) => {
    expect(cargoOf().unpack(payload, 'product', place)).toEqual({ kind: 'none' });
    expect(warned()).toEqual([
      `A result of the flight 'product' from another process cannot be read, so that this one runs the function itself: ` +
        `${why}. Set \`version\` where two releases do not understand each other.`,
    ]);
  });

  it('survives any change of a byte', () => {
    const cargo = cargoOf();
    for (let at = 0; at < good.length; at++) {
      for (const byte of [0, 1, 127, 255]) cargo.unpack(changed(at, byte), 'product', place);
    }
  });

  it('seals and opens', () => {
    const envelope = { kind: 'thrown' as const, codec: 'é', body: Uint8Array.of(1, 2) };
    expect(opened(sealed(envelope))).toEqual(envelope);
  });
});

describe('The id of a flight', () => {
  it('is 24 characters of base64url, and no two are the same', () => {
    const ids = [
      ...[['shop', '', 'a', 'b'] as const, ['shop', '', 'ab', ''] as const, ['shopa', '', '', 'b'] as const],
      ...[['shop', 'a', '', 'b'] as const, ['shop', '', 'a', '\ud800'] as const, ['shop', '', 'a', '\ud801'] as const],
      ...[['shop', '', 'a', '\ufffd'] as const, ['shop', '', '1:a', 'b'] as const],
    ].map(([app, version, name, key]) => flightId(app, version, name, key));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[\w-]{24}$/);
    expect(flightId('shop', '', 'a', 'b')).toBe(ids[0]);
  });
});
