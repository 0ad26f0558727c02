import type { Observable } from 'rxjs';
import {
  currentFlight,
  doChan,
  Group,
  SingleFlightService,
  type FleetHealth,
  type Flight,
  type FlightInfo,
  type GroupStats,
  type Result,
  type Success,
  type Wrapped,
} from 'nestjs-singleflight';
import { same } from '../same.js';

interface Product {
  readonly id: string;
}

declare const service: SingleFlightService;
declare const product: Product;

export async function calls() {
  same<Product>()(await service.run('42', async () => product));
  same<Product>()(await service.run(['tenant', 42, null], () => product, { waitTimeoutMs: 500, lingerMs: 50 }));
  same<Product>()(await service.run(undefined, async () => product));
  same<Product>()(await service.run(null, async () => product));
  same<Success<Product>>()(await service.do(42n, async () => product));
  same<Observable<Result<Product>>>()(service.doChan(true, async () => product));
  await service.run(42, (flight) => same<Flight>()(flight));
  same<Promise<Response>>()(service.run('home', ({ signal }) => fetch('http://localhost/', { signal })));
  same<boolean>()(service.forget(['tenant', 42, null]));
  same<boolean>()(service.forget(undefined));
  same<number>()(service.forgetAll());
  same<FlightInfo[]>()(service.inFlight());
  same<GroupStats>()(service.stats());
  same<Product>()(await service.run('42', async () => product, { fleet: 'products', waitTimeoutMs: 500 }));
  same<Success<Product>>()(await service.do('42', async () => product, { fleet: 'products' }));
  same<Promise<boolean>>()(service.forget('42', { fleet: 'products' }));
  same<FleetHealth | undefined>()(service.fleetHealth());
  same<Group>()(service.group);
  service.enabled = !service.enabled;
}

export function channel(byNumber: Group<number>) {
  same<Observable<Result<Product>>>()(doChan(byNumber, 42, async () => product));
  same<Flight>()(currentFlight());
}

export async function wrap() {
  const byId = service.wrap(
    async (id: string) => ({ ...product, id }),
    (id) => {
      same<string>()(id);
      return id;
    },
  );
  same<Promise<{ id: string }>>()(byId('42'));
  same<boolean>()(byId.forget('42'));

  const byTwo = service.wrap(
    async (id: number, locale: string) => id + locale,
    (id, locale) => {
      same<number>()(id);
      same<string>()(locale);
      return [id, locale];
    },
    { joinWindowMs: 1_000, waitTimeoutMs: 500 },
  );
  same<Wrapped<[id: number, locale: string], string>>()(byTwo);
  same<string>()(await byTwo(42, 'en'));
  byTwo.forget(42, 'en');

  const byOneOfTwo = service.wrap(
    async (id: number, locale: string) => id + locale,
    (id) => id,
  );
  byOneOfTwo(42, 'en');

  const optional = service.wrap(
    async (id: number, locale?: string) => `${id} ${locale ?? ''}`,
    (id, locale) => [id, locale ?? null],
  );
  optional(42);
  optional(42, 'en');
  optional.forget(42);

  const rest = service.wrap(
    async (...ids: string[]) => ids.length,
    (...ids) => ids,
  );
  same<Promise<number>>()(rest('1', '2'));

  const alone = service.wrap(
    async (id: string, fresh: boolean) => id + fresh,
    (id, fresh) => (fresh ? undefined : id),
  );
  alone('42', true);

  const nothing = service.wrap(
    async () => {},
    () => 'all',
  );
  same<Promise<void>>()(nothing());
}
