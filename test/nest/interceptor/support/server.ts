import type { AddressInfo } from 'node:net';
import type { IncomingMessage, Server } from 'node:http';
import {
  Module,
  type CanActivate,
  type DynamicModule,
  type INestApplication,
  type ModuleMetadata,
  type NestApplicationOptions,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  getSingleFlightToken,
  SingleFlightModule,
  type GroupStats,
  type SingleFlightModuleOptions,
  type SingleFlightService,
} from 'nestjs-singleflight';
import { deferred, type Deferred } from '../../../support/deferred.js';
import { send, sendOverHttp2, type Asked, type Reply } from './send.js';

export type { Asked, Reply };

export const PLATFORMS = ['Express', 'Fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** What handlers wait in: it counts them, and keeps them until the burst is complete. */
class Hold {
  runs = 0;
  private gate: Deferred<void> = deferred();

  /** A handler's work. */
  async work<T>(value: T): Promise<T> {
    this.runs++;
    await this.gate.promise;
    return value;
  }

  shut(): void {
    this.runs = 0;
    this.gate = deferred();
  }

  open(): void {
    this.gate.resolve();
  }
}

/** The one of this spec file: its tests run one after the other. */
export const hold = new Hold();

export interface Burst {
  /** How many handlers ran. */
  readonly runs: number;
  /** In the order of the requests. */
  readonly replies: readonly Reply[];
}

export interface ServerOptions extends ModuleMetadata {
  /** Before the app is initialised: versioning, middleware, plugins and the like. */
  readonly setup?: (app: INestApplication) => unknown;
  readonly trustProxy?: boolean;
  /** On Fastify. */
  readonly http2?: boolean;
  /** On Fastify: before the route is looked for. */
  readonly rewriteUrl?: (request: IncomingMessage) => string;
  readonly https?: { readonly key: string; readonly cert: string; readonly ca: string };
}

type AppOptions = Pick<NestApplicationOptions, 'logger' | 'abortOnError' | 'httpsOptions'>;

@Module({})
class TestModule {}

const running: TestServer[] = [];

/** An app that listens on a port of its own. */
export class TestServer {
  /** Requests that have passed the first guard, so are at the interceptors within the same turn. */
  entered = 0;

  static async start(platform: Platform, options: ServerOptions): Promise<TestServer> {
    const server = new TestServer();
    await server.listen(platform, options);
    running.push(server);
    return server;
  }

  app!: INestApplication;
  port = 0;
  private http2 = false;

  private async listen(platform: Platform, options: ServerOptions): Promise<void> {
    const { setup, trustProxy = false, http2 = false, https, rewriteUrl, ...metadata } = options;
    this.http2 = http2;
    const doorman: CanActivate = { canActivate: () => ++this.entered > 0 };
    const providers = [{ provide: APP_GUARD, useValue: doorman }, ...(metadata.providers ?? [])];
    const module = { ...metadata, module: TestModule, providers };
    const tls = https && { ...https, requestCert: true, rejectUnauthorized: false };
    if (platform === 'Express') {
      const options = optionsWith(tls && { httpsOptions: tls });
      const app = await NestFactory.create<NestExpressApplication>(module, new ExpressAdapter(), options);
      app.set('trust proxy', trustProxy);
      this.app = app;
      await setup?.(app);
      await app.init();
    } else {
      const common = { trustProxy, forceCloseConnections: !http2, ...(rewriteUrl && { rewriteUrl }) };
      const adapter = http2
        ? new FastifyAdapter({ ...common, http2: true })
        : new FastifyAdapter({ ...common, ...(tls && { https: tls }) });
      const app = await NestFactory.create<NestFastifyApplication>(module, adapter, optionsWith());
      this.app = app;
      await setup?.(app);
      await app.init();
      await app.getHttpAdapter().getInstance().ready();
    }
    await this.app.listen(0, '127.0.0.1');
    this.port = ((this.app.getHttpServer() as Server).address() as AddressInfo).port;
  }

  /** Sends all requests, lets the handlers go once every request is inside, and waits for the answers. */
  burst(...asked: readonly Asked[]): Promise<Burst> {
    return this.during(asked, () => undefined);
  }

  /** As {@link burst}, and what `look` sees while the handlers are held. */
  async during<T>(asked: readonly Asked[], look: () => T): Promise<Burst & { seen: T }> {
    return burstOn(
      asked.map((one) => [this, one]),
      look,
    );
  }

  /** What the interceptor's group has done; needs {@link httpFlights}. */
  stats(): GroupStats {
    return this.flights.stats();
  }

  /** The service of the interceptor's group; needs {@link httpFlights}. */
  get flights(): SingleFlightService {
    return this.app.get<SingleFlightService>(getSingleFlightToken('http'), { strict: false });
  }

  send(asked: Asked): Promise<Reply> {
    return this.http2 ? sendOverHttp2(this.port, asked) : send(this.port, asked);
  }
}

/** A burst on several servers, or what `look` sees while the handlers of one are held. */
export async function burstOn<T>(
  asked: readonly (readonly [TestServer, Asked])[],
  look: () => T,
): Promise<Burst & { seen: T }> {
  const servers = [...new Set(asked.map(([server]) => server))];
  for (const server of servers) server.entered = 0;
  hold.shut();
  const replies = Promise.all(asked.map(([server, one]) => server.send(one)));
  try {
    await haveEntered(servers, asked.length);
    const seen = look();
    hold.open();
    return { replies: await replies, runs: hold.runs, seen };
  } finally {
    hold.open();
  }
}

async function haveEntered(servers: readonly TestServer[], count: number): Promise<void> {
  const deadline = performance.now() + 5_000;
  const entered = (): number => servers.reduce((sum, server) => sum + server.entered, 0);
  while (entered() < count) {
    if (performance.now() > deadline) throw new Error(`Only ${entered()} of ${count} requests came in.`);
    await turn();
  }
  // From the guard to the handler there are only microtasks.
  await turn();
}

/** The library, with the interceptor's group to look at. */
export function httpFlights(options?: SingleFlightModuleOptions): DynamicModule[] {
  return [SingleFlightModule.forRoot(options), SingleFlightModule.forFeature('http')];
}

/** Until the event loop has come around. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** For `afterEach` or `afterAll`. */
export async function closeServers(): Promise<void> {
  await Promise.all(running.splice(0).map(({ app }) => app.close()));
}

/** The same request several times. */
export function times(count: number, asked: Asked): Asked[] {
  return Array.from({ length: count }, () => asked);
}

export function bodies({ replies }: Burst): string[] {
  return replies.map(({ body }) => body);
}

export function statuses({ replies }: Burst): number[] {
  return replies.map(({ status }) => status);
}

function optionsWith(more?: AppOptions): AppOptions {
  return { logger: false, abortOnError: false, ...more };
}
