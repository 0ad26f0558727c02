import {
  encodeKey,
  Group,
  SingleFlightError,
  WaitTimeoutError,
  type CallOptions,
  type Flight,
  type FlightFunction,
  type FlightInfo,
  type FlightKey,
  type FlightObserver,
  type FlightOptions,
  type GroupOptions,
  type GroupStats,
  type Role,
  type Success,
} from 'nestjs-singleflight/core';
import { same } from '../same.js';

interface Product {
  readonly id: string;
}

declare const product: Product;
declare const query: PromiseLike<Product>;

export async function results(group: Group) {
  same<Product>()(await group.run('42', async () => product));
  same<Product>()(await group.run('42', () => query));
  same<Product>()(await group.run('42', () => product));
  same<void>()(await group.run('42', async () => {}));
  same<Promise<Product>>()(group.run('42', async () => product));
  same<Promise<Success<Product>>>()(group.do('42', async () => product));
  same<string | number>()(await group.run<string | number>('42', () => 42));

  const { ok, value, shared, role } = await group.do('42', async () => product);
  same<true>()(ok);
  same<Product>()(value);
  same<boolean>()(shared);
  same<Role>()(role);
}

export async function flights(group: Group, byNumber: Group<number>) {
  await group.run('42', (flight) => {
    same<Flight>()(flight);
    same<string>()(flight.key);
    same<AbortSignal>()(flight.signal);
    return flight.key;
  });
  await byNumber.run(42, (flight) => same<Flight<number>>()(flight));
  await byNumber.do(42, ({ key, signal }) => {
    same<number>()(key);
    return fetch('http://localhost/', { signal });
  });
  const load: FlightFunction<Product, number> = async ({ key }) => ({ id: String(key) });
  same<Product>()(await byNumber.run(42, load));
}

export function keys() {
  same<Group>()(new Group());
  same<Group<number>>()(new Group<number>({ name: 'by number' }));
  const tenants = new Group<symbol | { readonly tenant: string }>();
  const bySymbol: Promise<Product> = tenants.run(Symbol('one'), () => product);
  const byObject: Promise<Product> = tenants.run({ tenant: 'one' }, () => product);
  same<boolean>()(tenants.forget({ tenant: 'one' }));

  const all: FlightKey[] = ['42', 42, 42n, true, [], ['tenant', 42, null, [true, [42n]]], ['as', 'const'] as const];
  same<string>()(encodeKey(['tenant', 42, null]));
  return [bySymbol, byObject, all.map((key) => encodeKey(key))];
}

export function options(signal: AbortSignal) {
  const caller: CallOptions = { signal, waitTimeoutMs: 500 };
  const flight: FlightOptions = { joinWindowMs: 1_000, flightTimeoutMs: 2_000, lingerMs: 50 };
  const observer: FlightObserver = {
    settle: (event) => {
      same<boolean>()(event.ok);
      same<string>()(event.group);
    },
  };
  const settings: GroupOptions = { name: 'products', ...flight, describeKey: (key: number) => `#${key}`, observer };
  const group = new Group<number>(settings);
  return [
    group.run(1, () => 1, caller),
    group.run(1, () => 1, flight),
    group.do(1, () => 1, { ...caller, ...flight }),
    group.run(1, () => 1, { signal: undefined, waitTimeoutMs: undefined, lingerMs: undefined }),
    group.run(1, () => 1, {}),
    new Group({ name: undefined, joinWindowMs: undefined, observer: undefined }),
  ];
}

export function listing(group: Group) {
  same<boolean>()(group.forget('42'));
  same<number>()(group.forgetAll());
  same<number>()(group.size);
  same<string>()(group.name);
  same<FlightInfo[]>()(group.inFlight());
  same<GroupStats>()(group.stats());
}

export function errors(error: unknown) {
  if (error instanceof WaitTimeoutError) same<number>()(error.waitTimeoutMs);
  if (error instanceof SingleFlightError) same<string>()(error.code);
}
