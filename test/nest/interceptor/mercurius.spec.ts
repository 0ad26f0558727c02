import { afterEach, describe, expect, it } from '@jest/globals';
import { Module, UseInterceptors, type INestApplication, type NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Args,
  Context,
  Field,
  GraphQLModule,
  Info,
  Mutation,
  ObjectType,
  Parent,
  Query,
  ResolveField,
  Resolver,
  Subscription,
} from '@nestjs/graphql';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  FlightSignal,
  keyFrom,
  SingleFlightInterceptor,
  SingleFlightKey,
  SingleFlightModule,
} from 'nestjs-singleflight';
import { WebSocket } from 'ws';
import { cameTo, flightsOf, letGo, portOf } from './support/calls.js';
import { until } from './support/client.js';
import { MercuriusDriver } from './support/mercurius.js';
import { hold, turn } from './support/server.js';

/** What Mercurius makes for each request, of a function of the app. */
interface Asker {
  readonly tenant: string;
}

/** What the compiler has been told to add, where it has compiled the query. */
interface Told {
  readonly compiled?: boolean;
  readonly operation: { readonly name?: { readonly value: string } };
}

@ObjectType()
class Product {
  @Field(() => String)
  id!: string;

  @Field(() => String)
  name!: string;

  /** Of a loader. */
  @Field(() => String, { nullable: true })
  stock?: string;
}

const product = (id: string, name = `product ${id}`): Product => Object.assign(new Product(), { id, name });

let compiled = new Set<boolean>();
let signals: AbortSignal[] = [];

@Resolver(() => Product)
@UseInterceptors(SingleFlightInterceptor)
class Products {
  @Query(() => Product)
  @SingleFlightKey(keyFrom.graphql(({ id }: { id: string }, { tenant }: Asker) => [tenant, id]))
  product(@Args('id') id: string, @Context('tenant') tenant: string, @Info() info: Told): Promise<Product> {
    compiled.add(info.compiled === true);
    return hold.work(product(id, `${id} of ${tenant}`));
  }

  /** Its key does not hold the tenant. */
  @Query(() => Product)
  @SingleFlightKey(keyFrom.graphql(({ id }: { id: string }) => id))
  anybodys(@Args('id') id: string): Promise<Product> {
    return hold.work(product(id));
  }

  @Query(() => String)
  @SingleFlightKey(keyFrom.graphql((_args, _context, { operation }: Told) => operation.name?.value))
  named(@Info() { operation }: Told): Promise<string> {
    return hold.work(`for ${operation.name?.value ?? 'nobody'}`);
  }

  @Query(() => String)
  unkeyed(): Promise<string> {
    return hold.work('unkeyed');
  }

  @Query(() => String)
  @SingleFlightKey(() => 'one for all')
  signalled(@FlightSignal() signal: AbortSignal): Promise<string> {
    signals.push(signal);
    return hold.work('signalled');
  }

  @Query(() => [Product])
  catalog(): Product[] {
    return [product('1'), product('2'), product('1')];
  }

  @Mutation(() => Product)
  @SingleFlightKey(() => 'one for all')
  rename(): Promise<Product> {
    return hold.work(product('1'));
  }

  @Subscription(() => Product, { resolve: (value: Product) => value })
  @SingleFlightKey(() => 'one for all')
  async *renamed(): AsyncGenerator<Product> {
    yield await hold.work(product('1'));
  }

  @ResolveField(() => String)
  @SingleFlightKey(keyFrom.graphql((_args, { tenant }: Asker, _info, { id }: Product) => [tenant, id]))
  price(@Parent() { id }: Product, @Context('tenant') tenant: string): Promise<string> {
    return hold.work(`${id} costs ${tenant}`);
  }
}

/** Mercurius's option, which the type of Nest's driver does not have. */
const TELLING = { compilerOptions: { resolverInfoEnricher: (): Partial<Told> => ({ compiled: true }) } };
const QUIET: Pick<NestApplicationOptions, 'logger'> = { logger: false };

let app: INestApplication;

async function start(more: MercuriusDriverConfig = {}): Promise<void> {
  @Module({
    imports: [
      SingleFlightModule.forRoot(),
      SingleFlightModule.forFeature('http'),
      GraphQLModule.forRoot<MercuriusDriverConfig>({
        driver: MercuriusDriver,
        autoSchemaFile: true,
        context: ({ headers }: { headers: Record<string, string> }): Asker => ({ tenant: headers['x-tenant'] ?? '' }),
        ...TELLING,
        ...more,
      }),
    ],
    providers: [Products],
  })
  class AppModule {}
  const server = await NestFactory.create<NestFastifyApplication>(
    AppModule,
    new FastifyAdapter({ forceCloseConnections: true }),
    QUIET,
  );
  app = server;
  await server.listen(0, '127.0.0.1');
  hold.shut();
  compiled = new Set();
  signals = [];
}

interface Operation {
  readonly query: string;
  readonly variables?: object;
  readonly operationName?: string;
}

async function ask(asked: string | Operation | readonly Operation[], tenant = 'acme'): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${portOf(app)}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Tenant': tenant },
    body: JSON.stringify(typeof asked === 'string' ? { query: asked } : asked),
  });
  return response.json();
}

describe.each([
  ['as it comes', 0],
  ['with queries that it compiles', 1],
])('GraphQL by Mercurius, on Fastify, %s', (_how, jit) => {
  afterEach(async () => {
    hold.open();
    await app.close();
  });

  /** So often that what is asked for next is compiled, if anything is; nothing of it counts. */
  async function warm(...asked: readonly (string | Operation)[]): Promise<number> {
    hold.open();
    for (const one of [...asked, ...asked]) expect(await ask(one)).not.toHaveProperty('errors');
    hold.shut();
    compiled.clear();
    return cameTo(app);
  }

  const TWO = '{ one: product(id: "1") { name } same: product(id: "1") { name } other: product(id: "2") { name } }';
  const BY_VARIABLE = 'query Of($id: String!) { product(id: $id) { name } }';

  it('coalesces a query with a key by hand, within one request and over several; tells tenants and arguments apart', async () => {
    await start({ jit });
    const before = await warm(TWO, '{ product(id: "1") { name } }');
    const answers = Promise.all([ask(TWO), ask('{ product(id: "1") { name } }'), ask(TWO, 'other')]);
    await letGo(app, before + 7);
    const ofTenant = (tenant: string): object => ({
      data: { one: { name: `1 of ${tenant}` }, same: { name: `1 of ${tenant}` }, other: { name: `2 of ${tenant}` } },
    });
    expect(await answers).toEqual([ofTenant('acme'), { data: { product: { name: '1 of acme' } } }, ofTenant('other')]);
    expect(hold.runs).toBe(4);
    expect([...compiled]).toEqual([jit === 1]);
  });

  it('tells variables apart, and merges one variable with the same argument written out', async () => {
    await start({ jit });
    const by = (id: string): Operation => ({ query: BY_VARIABLE, variables: { id } });
    const before = await warm(by('1'), '{ product(id: "1") { name } }');
    const answers = Promise.all([ask(by('1')), ask(by('2')), ask(by('1')), ask('{ product(id: "1") { name } }')]);
    await letGo(app, before + 4);
    expect(await answers).toEqual(['1', '2', '1', '1'].map((id) => ({ data: { product: { name: `${id} of acme` } } })));
    expect(hold.runs).toBe(2);
    expect([...compiled]).toEqual([jit === 1]);
  });

  it('tells the names of operations apart where the key holds them, and lets go alone who has none', async () => {
    await start({ jit });
    const queries = ['query One { named }', 'query Two { named }', '{ named }'];
    const before = await warm(...queries);
    const answers = Promise.all([...queries, ...queries].map((query) => ask(query)));
    await letGo(app, before + 6);
    const expected = ['for One', 'for Two', 'for nobody'].map((named) => ({ data: { named } }));
    expect(await answers).toEqual([...expected, ...expected]);
    expect(hold.runs).toBe(4);
  });

  it('leaves a query without a key alone, and every mutation, and the fields of a mutation', async () => {
    await start({ jit, fieldResolverEnhancers: ['interceptors'] });
    const queries = ['{ unkeyed }', 'mutation { rename { name price } }'];
    const before = await warm(...queries);
    const answers = Promise.all([...queries, ...queries].map((query) => ask(query)));
    await until(() => hold.runs === 4);
    await turn();
    hold.open();
    const renamed = { data: { rename: { name: 'product 1', price: '1 costs acme' } } };
    const unkeyed = { data: { unkeyed: 'unkeyed' } };
    expect(await answers).toEqual([unkeyed, renamed, unkeyed, renamed]);
    expect(hold.runs).toBe(6);
    expect(cameTo(app)).toBe(before);
    expect(flightsOf(app).stats().flights).toBe(0);
  });

  it('coalesces the fields of parents, within one request and over several, where Nest lets interceptors see them', async () => {
    await start({ jit, fieldResolverEnhancers: ['interceptors'] });
    const before = await warm('{ catalog { price } }');
    const answers = Promise.all(['acme', 'other', 'acme'].map((tenant) => ask('{ catalog { price } }', tenant)));
    await letGo(app, before + 9);
    expect(await answers).toEqual(
      ['acme', 'other', 'acme'].map((tenant) => ({
        data: { catalog: ['1', '2', '1'].map((id) => ({ price: `${id} costs ${tenant}` })) },
      })),
    );
    expect(hold.runs).toBe(4);
  });

  it('is not asked for fields otherwise', async () => {
    await start({ jit });
    await warm('{ catalog { price } }');
    const answer = ask('{ catalog { price } }');
    await until(() => hold.runs === 3);
    hold.open();
    await answer;
    expect(cameTo(app)).toBe(0);
  });

  it('tells the operations of one batch apart, and merges those that are the same', async () => {
    await start({ jit, allowBatchedQueries: true });
    const by = (id: string): Operation => ({ query: BY_VARIABLE, variables: { id } });
    const before = await warm(by('1'));
    const answers = Promise.all([ask([by('1'), by('2'), by('1')]), ask([by('2')], 'other')]);
    await letGo(app, before + 4);
    const names = (await answers).map((batch) => (batch as { data: { product: Product } }[]).map(({ data }) => data));
    expect(names).toEqual([
      ['1', '2', '1'].map((id) => ({ product: { name: `${id} of acme` } })),
      [{ product: { name: '2 of other' } }],
    ]);
    expect(hold.runs).toBe(3);
  });

  it('a loader runs for each request, in its own context, over the parent that they share', async () => {
    const loads: string[] = [];
    await start({
      jit,
      loaders: {
        Product: {
          stock: (queries: { obj: Product }[], context: unknown) => {
            const { tenant } = context as Asker;
            loads.push(`${queries.length} of ${tenant}`);
            return Promise.resolve(queries.map(({ obj }) => `${obj.id} in stock of ${tenant}`));
          },
        },
      },
    });
    const query = '{ one: anybodys(id: "1") { stock } other: anybodys(id: "2") { stock } }';
    const before = await warm(query);
    loads.length = 0;
    const answers = Promise.all(['acme', 'other'].map((tenant) => ask(query, tenant)));
    await letGo(app, before + 4);
    expect(await answers).toEqual(
      ['acme', 'other'].map((tenant) => ({
        data: { one: { stock: `1 in stock of ${tenant}` }, other: { stock: `2 in stock of ${tenant}` } },
      })),
    );
    expect(hold.runs).toBe(2);
    expect(loads.sort()).toEqual(['2 of acme', '2 of other']);
  });

  it('gives the signal of the flight to the one that leads, and every flight has its own', async () => {
    await start({ jit });
    const before = await warm('{ signalled }');
    signals = [];
    for (const round of [1, 2]) {
      hold.shut();
      const answers = Promise.all([ask('{ signalled }'), ask('{ signalled }')]);
      await letGo(app, before + 2 * round);
      await answers;
    }
    expect(signals).toHaveLength(2);
    expect(signals[0]).not.toBe(signals[1]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  });
});

// Not compiled: Mercurius keeps the first operation that it has compiled of a document, whichever is asked for.
describe('A document of several operations, by Mercurius, on Fastify', () => {
  afterEach(async () => {
    hold.open();
    await app.close();
  });

  it('is told apart by the operation that is asked for, where the key holds its name', async () => {
    await start();
    const query = 'query One { named } query Two { named } mutation Three { rename { name } }';
    const names = ['One', 'Two', 'One', 'Two', 'Three', 'Three'];
    const answers = Promise.all(names.map((operationName) => ask({ query, operationName })));
    await until(() => cameTo(app) === 4 && hold.runs === 4);
    hold.open();
    const named = ['One', 'Two'].map((name) => ({ data: { named: `for ${name}` } }));
    const renamed = { data: { rename: { name: 'product 1' } } };
    expect(await answers).toEqual([...named, ...named, renamed, renamed]);
    expect(hold.runs).toBe(4);
    expect(flightsOf(app).stats().flights).toBe(2);
  });
});

describe('A subscription by Mercurius, on Fastify', () => {
  afterEach(async () => {
    hold.open();
    await app.close();
  });

  it('goes alone, and its fields', async () => {
    await start({ subscription: true, fieldResolverEnhancers: ['interceptors'] });
    const clients = await Promise.all([subscribe(), subscribe()]);
    await until(() => hold.runs === 2);
    await turn();
    hold.open();
    const event = { data: { renamed: { name: 'product 1', price: expect.stringContaining('1 costs') as unknown } } };
    expect(await Promise.all(clients.map(({ first }) => first))).toEqual([event, event]);
    expect(hold.runs).toBe(4);
    expect(flightsOf(app).stats()).toMatchObject({ flights: 0, callers: 0 });
    for (const { socket } of clients) socket.terminate();
  });

  /** As graphql-ws does it. */
  async function subscribe(): Promise<{ socket: WebSocket; first: Promise<unknown> }> {
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(app)}/graphql`, 'graphql-transport-ws');
    const say = (message: object): void => {
      socket.send(JSON.stringify(message));
    };
    const first = new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data: Buffer) => {
        const { type, payload } = JSON.parse(data.toString()) as { type: string; payload: unknown };
        if (type === 'connection_ack') {
          say({ id: '1', type: 'subscribe', payload: { query: 'subscription { renamed { name price } }' } });
        }
        if (type === 'next') resolve(payload);
        if (type === 'error') reject(new Error(JSON.stringify(payload)));
      });
    });
    await new Promise((resolve) => socket.once('open', resolve));
    say({ type: 'connection_init' });
    return { socket, first };
  }
});
