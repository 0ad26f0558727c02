import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Module,
  UseInterceptors,
  type INestApplication,
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Args, Context, Field, GraphQLModule, Mutation, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { ClientProxyFactory, MessagePattern, Payload, Transport, type ClientProxy } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { firstValueFrom } from 'rxjs';
import { WebSocket } from 'ws';
import { keyFrom, SingleFlightInterceptor, SingleFlightKey, SingleFlightModule } from 'nestjs-singleflight';
import { freePort } from '../../support/redis-server.js';
import { flightsOf, letGo, portOf } from './support/calls.js';
import { hold } from './support/server.js';

const imports = [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('http')];

const QUIET: Pick<NestApplicationOptions, 'logger'> = { logger: false };
let app: INestApplication | undefined;

afterEach(async () => {
  hold.open();
  await app?.close();
  app = undefined;
});

@ObjectType()
class Product {
  @Field(() => String)
  name!: string;
}

@Resolver(() => Product)
@UseInterceptors(SingleFlightInterceptor)
class Products {
  @Query(() => Product)
  @SingleFlightKey(
    keyFrom.graphql(({ id }: { id: string }, { req }: { req: { headers: Record<string, string> } }) => [
      req.headers['x-tenant'] ?? 'none',
      id,
    ]),
  )
  async product(@Args('id') id: string, @Context('req') req: { headers: Record<string, string> }): Promise<Product> {
    return hold.work({ name: `${id} of ${req.headers['x-tenant'] ?? 'none'}` });
  }

  @Query(() => String)
  unkeyed(): Promise<string> {
    return hold.work('unkeyed');
  }

  @Mutation(() => String)
  @SingleFlightKey(() => 'one for all')
  rename(): Promise<string> {
    hold.runs++;
    return Promise.resolve('renamed');
  }
}

describe('GraphQL', () => {
  async function start(): Promise<void> {
    @Module({
      imports: [...imports, GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true })],
      providers: [Products],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, QUIET);
    await app.listen(0, '127.0.0.1');
    hold.shut();
  }

  async function ask(query: string, tenant = 'acme'): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${portOf(app!)}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Tenant': tenant },
      body: JSON.stringify({ query }),
    });
    return response.json();
  }

  it('coalesces a query with a key by hand, within one operation and over several, and tells tenants and arguments apart', async () => {
    await start();
    const two = '{ one: product(id: "1") { name } same: product(id: "1") { name } }';
    const answers = Promise.all([
      ask(two),
      ask('query Named { product(id: "1") { name } }'),
      ask(two, 'other'),
      ask('{ product(id: "2") { name } }'),
    ]);
    await letGo(app!, 6);
    expect(await answers).toEqual([
      { data: { one: { name: '1 of acme' }, same: { name: '1 of acme' } } },
      { data: { product: { name: '1 of acme' } } },
      { data: { one: { name: '1 of other' }, same: { name: '1 of other' } } },
      { data: { product: { name: '2 of acme' } } },
    ]);
    expect(hold.runs).toBe(3);
  });

  it('leaves a query without a key, and every mutation, alone', async () => {
    await start();
    hold.open();
    expect(await Promise.all([ask('{ unkeyed }'), ask('{ unkeyed }')])).toEqual([
      { data: { unkeyed: 'unkeyed' } },
      { data: { unkeyed: 'unkeyed' } },
    ]);
    await Promise.all([ask('mutation { rename }'), ask('mutation { rename }')]);
    expect(hold.runs).toBe(4);
    expect(flightsOf(app!).stats().flights).toBe(0);
  });
});

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Messages {
  @MessagePattern('product')
  @SingleFlightKey(keyFrom.rpc(({ id }: { id: number }) => id))
  product(@Payload() { id }: { id: number }): Promise<string> {
    return hold.work(`product ${id}`);
  }

  @MessagePattern('unkeyed')
  unkeyed(): Promise<string> {
    return hold.work('unkeyed');
  }
}

/** Two classes of one name, whose handlers have one name, and whose keys are the same. */
function namesakeOf(pattern: string): Type {
  @Controller()
  @UseInterceptors(SingleFlightInterceptor)
  class Namesake {
    @MessagePattern(pattern)
    @SingleFlightKey(keyFrom.rpc(({ id }: { id: number }) => id))
    get(): Promise<string> {
      return hold.work(pattern);
    }
  }
  return Namesake;
}

describe('A microservice over TCP', () => {
  let client: ClientProxy | undefined;

  afterEach(() => {
    client?.close();
  });

  it('coalesces messages with a key by hand, and no others', async () => {
    @Module({ imports, controllers: [Messages, namesakeOf('one'), namesakeOf('other')] })
    class AppModule {}
    app = await NestFactory.create(AppModule, QUIET);
    const port = await freePort();
    app.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
    await app.startAllMicroservices();
    await app.init();
    client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
    hold.shut();
    const sent = (pattern: string, payload: object): Promise<unknown> => firstValueFrom(client!.send(pattern, payload));
    const answers = Promise.all([sent('product', { id: 1 }), sent('product', { id: 1 }), sent('product', { id: 2 })]);
    await letGo(app, 3);
    expect(await answers).toEqual(['product 1', 'product 1', 'product 2']);
    expect(hold.runs).toBe(2);
    await Promise.all([sent('unkeyed', {}), sent('unkeyed', {})]);
    expect(hold.runs).toBe(4);
    hold.shut();
    const namesakes = Promise.all(['one', 'other', 'one'].map((pattern) => sent(pattern, { id: 1 })));
    await letGo(app, 6);
    expect(await namesakes).toEqual(['one', 'other', 'one']);
    expect(hold.runs).toBe(2);
  });
});

@WebSocketGateway()
@UseInterceptors(SingleFlightInterceptor)
class Gateway {
  @SubscribeMessage('product')
  @SingleFlightKey(keyFrom.ws(({ id }: { id: number }) => id))
  async product(@MessageBody() { id }: { id: number }): Promise<object> {
    return { event: 'product', data: await hold.work(`product ${id}`) };
  }
}

describe('A WebSocket gateway', () => {
  it('coalesces messages with a key by hand, of one client and of several', async () => {
    @Module({ imports, providers: [Gateway] })
    class AppModule {}
    app = await NestFactory.create(AppModule, QUIET);
    app.useWebSocketAdapter(new WsAdapter(app));
    await app.listen(0, '127.0.0.1');
    hold.shut();
    const clients = await Promise.all([connect(), connect()]);
    const answers = Promise.all(clients.map((client) => heard(client, client === clients[0] ? 2 : 1)));
    for (const client of [clients[0], clients[0], clients[1]]) {
      client.send(JSON.stringify({ event: 'product', data: { id: 1 } }));
    }
    await letGo(app, 3);
    const answer = { event: 'product', data: 'product 1' };
    expect(await answers).toEqual([[answer, answer], [answer]]);
    expect(hold.runs).toBe(1);
    for (const client of clients) client.terminate();
  });

  async function connect(): Promise<WebSocket> {
    const client = new WebSocket(`ws://127.0.0.1:${portOf(app!)}`);
    await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject));
    return client;
  }

  /** The first messages that a client gets. */
  function heard(client: WebSocket, count: number): Promise<unknown[]> {
    const messages: unknown[] = [];
    return new Promise((resolve) => {
      client.on('message', (data: Buffer) => {
        messages.push(JSON.parse(data.toString()));
        if (messages.length === count) resolve(messages);
      });
    });
  }
});
