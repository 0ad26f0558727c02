import type { App, Share } from './leaks.js';
import type { Asked, Platform } from './server.js';

/** Two flights, one, or one run of the handler for each request: of both kinds, or of one of them. */
export type Outcome = 'own flight' | 'shared' | 'alone' | 'one alone';
/** The outcome, and why it is right. */
export type Expected = Readonly<Record<Share, `${Outcome}: ${string}`>>;

/** A request below the prefix of a share, of which this is all that is said. */
export type Part = Omit<Asked, 'path'> & {
  readonly path?: string;
  /** Before the path, as clients send it to a proxy. */
  readonly origin?: string;
};

interface More {
  /** On which the requests are made: the first, and the second if it is another. */
  readonly apps?: readonly [App, App?];
  /** The handler cannot tell the two apart. */
  readonly alike?: boolean;
  /** With these it is found out from the answer that they go alone, so the first ones have boarded. */
  readonly late?: readonly Share[];
  readonly only?: Platform;
}

/** Two requests, which differ in something. */
export interface Row extends More {
  readonly what: string;
  readonly one: Part;
  readonly other: Part;
  readonly expected: Expected;
}

export function row(what: string, one: Part, other: Part, expected: Expected, more: More = {}): Row {
  return { what, one, other, expected, ...more };
}

type Pairs = readonly (readonly [string, string])[];

/** Anna's request with these headers, unless they name whom it is from. */
export function anna(headers: Readonly<Record<string, string>> | Pairs = {}, path?: string): Part {
  const pairs = (Array.isArray(headers) ? headers : Object.entries(headers)) as Pairs;
  const named = pairs.some(([name]) => name.toLowerCase() === 'authorization');
  const all: Pairs = named ? pairs : [['Authorization', 'Bearer anna'], ...pairs];
  return path === undefined ? { headers: all } : { headers: all, path };
}

/** Nobody's, or that of whom the headers name in another way. */
export function nobody(headers: Readonly<Record<string, string>> | Pairs = {}, path?: string): Part {
  return path === undefined ? { headers } : { headers, path };
}

/** Anna's and Bert's. */
export function annaAndBert(path: string): readonly [Part, Part] {
  return [anna({}, path), anna({ Authorization: 'Bearer bert' }, path)];
}

/** Two of Anna's requests that differ in the value of one header. */
export function values(name: string, one: string, other: string, path?: string): readonly [Part, Part] {
  return [anna({ [name]: one }, path), anna({ [name]: other }, path)];
}

/** Two of Anna's requests that differ in the path. */
export function paths(one: string, other: string): readonly [Part, Part] {
  return [anna({}, one), anna({}, other)];
}

export const ASKER: Expected = {
  client: 'own flight: a header says who asks',
  user: 'own flight: they are two users',
  public: 'shared: the route says that everybody may have it',
  key: 'own flight: the key holds the user',
};

/** Of users whom the app does not know. */
export const STRANGER: Expected = {
  client: 'own flight: a header may say who asks',
  user: 'alone: identity knows neither of them',
  public: 'shared: the route says that everybody may have it',
  key: 'alone: the key function knows neither of them',
};

export const HEADER: Expected = {
  client: 'own flight: any header may say who asks, or change the answer',
  user: 'shared: it is one user, and vary does not name the header',
  public: 'shared: vary does not name the header',
  key: 'shared: the key does not hold it',
};

export const VARIED: Expected = {
  client: 'own flight: it changes the answer, as any header may',
  user: 'own flight: vary names it',
  public: 'own flight: vary names it',
  key: 'shared: the key does not hold it, and replaces vary',
};

export const ADDRESS: Expected = {
  client: 'own flight: it is another address',
  user: 'own flight: it is another address',
  public: 'own flight: everybody may have the answer of this address, not of another',
  key: 'own flight: a key by hand does not replace the address',
};

export const ROUTE: Expected = {
  client: 'own flight: it is another handler',
  user: 'own flight: it is another handler',
  public: 'own flight: every key begins with the handler',
  key: 'own flight: every key begins with the handler',
};

export const IGNORED: Expected = {
  client: 'shared: it says nothing of who asks or for what',
  user: 'shared: it is one user',
  public: 'shared: vary does not name it',
  key: 'shared: the key does not hold it',
};

export const SPECIAL: Expected = {
  client: 'alone: the answer is for this request only',
  user: 'alone: the answer is for this request only',
  public: 'shared: the route says that everybody may have it',
  key: 'shared: the key says who may have it, and does not hold it',
};

export const SPECIAL_AND_NOT: Expected = {
  client: 'one alone: its answer is for this request only',
  user: 'one alone: its answer is for this request only',
  public: 'shared: the route says that everybody may have it',
  key: 'shared: the key says who may have it, and does not hold it',
};

export const NEVER: Expected = {
  client: 'alone: what the handler returns is not all that its client gets',
  user: 'alone: what the handler returns is not all that its client gets',
  public: 'alone: it cannot be shared, whatever is stated',
  key: 'alone: it cannot be shared, whatever is stated',
};
