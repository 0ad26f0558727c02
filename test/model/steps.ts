/** What keys there are; steps name them by their index. Some of them collide wherever keys are made into strings. */
export const KEYS: readonly unknown[] = [1, '1', '__proto__', 'b'];
/** How many signals the callers of one program share. */
export const SIGNALS = 3;

export interface Limits {
  readonly joinWindowMs?: number;
  readonly flightTimeoutMs?: number;
  readonly lingerMs?: number;
}

/** What a group of a program is made with. */
export interface GroupStep {
  readonly limits: Limits;
  readonly maxFlights: number | undefined;
  readonly maxFollowers: number | undefined;
  readonly detectDeadlocks: boolean;
  readonly context: 'caller' | 'group';
  readonly isolate: 'none' | 'clone';
}

/** How a function ends that is ended by hand: some reject with what is falsy. */
export type End = 'value' | 'error' | 'undefined' | '0';

/** What a function does once it has started. */
export interface Work {
  readonly returns: 'promise' | 'thenable' | 'value' | 'throw' | 'nested';
  readonly reads: 'never' | 'first' | 'last';
  /** Before it returns: a call through its own key, say. */
  readonly inside: 'nothing' | 'call' | 'forget' | 'abort';
  /** When its signal aborts. */
  readonly onAbort: 'nothing' | 'call';
  /** What it waits for, if it is nested. */
  readonly inner: InnerStep | undefined;
  /** What a loader of many returns: a map without some key, one with a key too many, or none at all. */
  readonly loads: 'all' | 'but one' | 'one more' | 'no map';
  /** How it ends if it is not ended by hand. */
  readonly ends: End;
}

export interface CallStep {
  readonly step: 'call';
  readonly group: number;
  readonly how: 'run' | 'do' | 'doMany';
  /** All that `doMany` is given, duplicates included; the others take the first. */
  readonly keys: readonly number[];
  /** Which of the signals guards the call. */
  readonly signal: number | undefined;
  readonly waitTimeoutMs: number | undefined;
  readonly limits: Limits;
  readonly work: Work;
  /** How often the caller asks again, from the place where it learns of a failure. */
  readonly retries: number;
}

/** A call from inside a function, for keys above its own: whoever waits only upwards never waits for itself. */
export interface InnerStep {
  readonly group: number;
  readonly how: CallStep['how'];
  /** How far above. */
  readonly above: number;
  /** Whether it leaves when the flight around it is stopped. */
  readonly passesSignal: boolean;
  readonly work: Work;
}

export type Step =
  | CallStep
  | { readonly step: 'abort'; readonly signal: number }
  | { readonly step: 'forget'; readonly group: number; readonly key: number }
  | { readonly step: 'forget all'; readonly group: number }
  | { readonly step: 'close'; readonly group: number; readonly graceMs: number }
  | { readonly step: 'settle'; readonly flight: number; readonly end: End }
  | { readonly step: 'read'; readonly flight: number }
  | { readonly step: 'pass'; readonly ms: number }
  | { readonly step: 'wake' };

/** How a call ended: what it resolved to, or the label of what it was rejected with. */
export type Answer = { readonly value: unknown } | { readonly error: string } | 'pending';

const NOTHING: Work = {
  returns: 'value',
  reads: 'never',
  inside: 'nothing',
  onAbort: 'nothing',
  inner: undefined,
  loads: 'all',
  ends: 'value',
};

const PLAIN = {
  step: 'call',
  how: 'do',
  signal: undefined,
  waitTimeoutMs: undefined,
  limits: {},
  work: NOTHING,
  retries: 0,
} as const;

/** The call that a function makes from inside, through its own key. */
export const insideCall = (group: number, key: number): CallStep => ({ ...PLAIN, group, keys: [key] });

/** The call that a function makes when it is stopped. It can leave, so it is no circle in whosever name it is made. */
export const abortCall = (group: number, key: number): CallStep => ({
  ...PLAIN,
  group,
  keys: [key],
  waitTimeoutMs: 50,
});

/** The call that a function waits for; undefined where no key is above its own. */
export function innerCall({ inner }: Work, keys: readonly number[]): CallStep | undefined {
  const above = Math.max(...keys) + 1;
  if (inner === undefined || above >= KEYS.length) return undefined;
  const key = above + (inner.above % (KEYS.length - above));
  const { group, how, work } = inner;
  return { ...PLAIN, group, how, keys: key + 1 < KEYS.length ? [key, key + 1] : [key], work };
}

/** The keys that a call asks for. */
export const keysOf = ({ how, keys }: CallStep): number[] => (how === 'doMany' ? [...new Set(keys)] : [keys[0]!]);

// A caller is called after the step that made it, or after the caller in whose function it was made; a flight after the
// caller that started it. So neither depends on the order in which things happen.
export const insideOf = (path: string): string => `${path}i`;
export const innerOf = (path: string): string => `${path}n`;
export const abortOf = (path: string): string => `${path}r`;

export const reasonOf = (signal: number): string => `signal ${signal}`;
export const errorOf = (flight: string): string => `error ${flight}`;
/** A flight's value for a key: it tells flight and key, and what came of the call that its function waited for. */
export const valueOf = (flight: string, key: number, inner?: string): string =>
  `${flight}/${key}${inner === undefined ? '' : ` < ${inner}`}`;

/** What a loader that goes wrong in the way of `loads` returns for its keys. */
export function loadedOf(
  { loads }: Work,
  flight: string,
  keys: readonly number[],
  inner?: string,
): [key: number, value: string][] | undefined {
  if (loads === 'no map') return undefined;
  const returned = loads === 'but one' ? keys.slice(1) : loads === 'one more' ? [...keys, 0, 1, 2, 3] : keys;
  return [...new Set(returned)].map((key) => [key, valueOf(flight, key, inner)]);
}
