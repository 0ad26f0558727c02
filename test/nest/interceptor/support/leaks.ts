import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import {
  Controller,
  Get,
  Inject,
  Ip,
  Req,
  Res,
  Scope,
  Session,
  StreamableFile,
  UseInterceptors,
  Version,
  VersioningType,
  type CallHandler,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { RouteConstraints } from '@nestjs/platform-fastify';
import { SingleFlightInterceptor, SingleFlightKey, SingleFlightShare, type FlightKey } from 'nestjs-singleflight';
import { map, type Observable } from 'rxjs';
import { hold, httpFlights, TestServer, type Platform } from './server.js';

/** By whom answers are shared: a share, or a key by hand that holds the user, the tenant of the context and the role. */
export const SHARES = ['client', 'user', 'public', 'key'] as const;
export type Share = (typeof SHARES)[number];

export const VARY = ['Accept', 'Accept-Language', 'X-Tenant'];

/** What a middleware leaves on the request: on Fastify, on Node's. */
interface Left {
  readonly user?: string;
  readonly session?: unknown;
}

interface AskedRequest extends Left {
  readonly url: string;
  readonly originalUrl: string;
  readonly hostname: string;
  readonly ip: string;
  readonly protocol: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly params: object;
  readonly query: object;
  readonly body?: unknown;
  readonly socket: { readonly localPort: number };
  readonly raw?: Left;
}

interface AnyResponse {
  header(name: string, value: string): this;
  send(body: unknown): void;
}

const tenants = new AsyncLocalStorage<string>();
const requestOf = (context: ExecutionContext): AskedRequest => context.switchToHttp().getRequest<AskedRequest>();

/** The app's authentication: what a middleware left, a token, a session's cookie or an API key. */
function userOf({ user, raw, headers }: AskedRequest): string | undefined {
  const token = /^bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1];
  const session = /(?:^|; *)session=([^;]+)/.exec(headers.cookie ?? '')?.[1];
  return user ?? raw?.user ?? token ?? session ?? headers['x-api-key'];
}

/** All that a handler can know of its asker: with another's answer in hand, a client sees that it is another's. */
function sightOf(request: AskedRequest, more?: object): object {
  const { url, originalUrl, hostname, ip, protocol, headers, params, query, body, socket } = request;
  const address = { url, originalUrl, hostname, ip, protocol, params, query, app: socket.localPort };
  return { ...address, headers, body, user: userOf(request), tenant: tenants.getStore(), ...more };
}

/** Inside of the interceptor: what it lets through depends on who asks. */
class RoleFilter implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { headers } = requestOf(context);
    return next.handle().pipe(map((seen: object) => ({ ...seen, visible: headers['x-role'] ?? 'nothing' })));
  }
}

/** `undefined`, so alone, for a user who is nobody. */
function keyByHand(context: ExecutionContext): FlightKey | undefined {
  const request = requestOf(context);
  const user = userOf(request);
  return user === undefined ? undefined : [user, tenants.getStore() ?? null, request.headers['x-role'] ?? null];
}

const states = (share: Share): ClassDecorator =>
  share === 'key' ? SingleFlightKey(keyByHand) : SingleFlightShare(share, { vary: VARY });

function handlersOf(share: Share): Type {
  @Controller(share)
  @states(share)
  @UseInterceptors(SingleFlightInterceptor)
  class Leaky {
    @Get(['plain', ...Object.keys(MIDDLEWARE)])
    plain(@Req() request: AskedRequest): Promise<object> {
      return hold.work(sightOf(request));
    }

    @Get(['of/:id', 'tenants/:tenant/list', 'any/*'])
    of(@Req() request: AskedRequest): Promise<object> {
      return hold.work(sightOf(request));
    }

    @Get('session')
    session(@Session() session: unknown, @Req() request: AskedRequest): Promise<object> {
      return hold.work(sightOf(request, { session: session ?? request.raw?.session }));
    }

    @Get('passthrough')
    passthrough(@Res({ passthrough: true }) response: AnyResponse, @Req() request: AskedRequest): Promise<object> {
      response.header('x-seen', userOf(request) ?? 'nobody');
      return hold.work(sightOf(request));
    }

    @Get('cookie')
    cookie(@Res({ passthrough: true }) response: AnyResponse, @Req() request: AskedRequest): Promise<object> {
      response.header('set-cookie', `session=${userOf(request) ?? 'nobody'}`);
      return hold.work(sightOf(request));
    }

    @Get('by-hand')
    async byHand(@Res() response: AnyResponse, @Req() request: AskedRequest): Promise<void> {
      response.send(await hold.work(sightOf(request)));
    }

    @Get('file')
    async file(@Req() request: AskedRequest): Promise<StreamableFile> {
      return new StreamableFile(Buffer.from(JSON.stringify(await hold.work(sightOf(request)))));
    }

    @Get('filtered')
    @UseInterceptors(RoleFilter)
    filtered(): Promise<object> {
      return hold.work({ everything: 'of everybody' });
    }

    @Get('ip')
    ip(@Ip() ip: string): Promise<object> {
      return hold.work({ ip });
    }
  }
  return Leaky;
}

function scopedOf(share: Share): Type {
  @Controller({ path: `${share}/scoped`, scope: Scope.REQUEST })
  @states(share)
  @UseInterceptors(SingleFlightInterceptor)
  class Scoped {
    constructor(@Inject(REQUEST) private readonly request: AskedRequest) {}

    @Get()
    get(): Promise<object> {
      return hold.work(sightOf(this.request));
    }
  }
  return Scoped;
}

/** One path, and the host says which controller it is. */
function hostedOf(share: Share): Type[] {
  return ['one.example', 'two.example'].map((host) => {
    @Controller({ path: `${share}/hosted`, host })
    @states(share)
    @UseInterceptors(SingleFlightInterceptor)
    class Hosted {
      @Get()
      @RouteConstraints({ host })
      get(@Req() request: AskedRequest): Promise<object> {
        return hold.work(sightOf(request, { host }));
      }
    }
    return Hosted;
  });
}

function versionsOf(share: Share): Type {
  @Controller(`${share}/versioned`)
  @states(share)
  @UseInterceptors(SingleFlightInterceptor)
  class Versioned {
    @Get()
    @Version('1')
    first(): Promise<string> {
      return hold.work('first');
    }

    @Get()
    @Version('2')
    second(): Promise<string> {
      return hold.work('second');
    }
  }
  return Versioned;
}

type NodeRequest = IncomingMessage & { user?: string; session?: unknown; originalUrl?: string };

/** By the name of the route before which it stands; `tag` is a header that is ignored, so only the middleware tells. */
const MIDDLEWARE: Readonly<Record<string, (request: NodeRequest, tag: string, next: () => void) => void>> = {
  /** As passport and its like may do. */
  moved: (request, _tag, next) => {
    request.user = request.headers.authorization ?? 'nobody';
    delete request.headers.authorization;
    next();
  },
  /** As nothing does that is known. */
  erased: (request, _tag, next) => {
    request.user = request.headers.authorization ?? 'nobody';
    delete request.headers.authorization;
    const at = request.rawHeaders.findIndex((text) => text.toLowerCase() === 'authorization');
    request.rawHeaders.splice(at, 2);
    next();
  },
  added: (request, tag, next) => {
    if (tag !== 'none') request.headers['x-plan'] = tag;
    next();
  },
  labelled: (request, tag, next) => {
    request.headers['x-tenant'] = tag;
    next();
  },
  replaced: (request, tag, next) => {
    request.headers['x-plan'] = tag;
    next();
  },
  /** As for a tenant of a host, an experiment or a locale: the route sees another path than was asked for. */
  rewritten: (request, tag, next) => {
    request.url = `/${request.url?.split('/')[1] ?? ''}/of/${tag}`;
    next();
  },
  stored: (_request, tag, next) => {
    tenants.run(tag, next);
  },
  /** As a server does that reads the PROXY protocol. */
  'told-address': (request, tag, next) => {
    Object.defineProperty(request.socket, 'remoteAddress', { value: tag, configurable: true });
    next();
  },
};

/** Before the app is initialised. */
function useMiddleware(app: INestApplication): void {
  app.use((request: NodeRequest, _response: unknown, next: () => void) => {
    request.session = { of: request.headers.cookie };
    const name = (request.originalUrl ?? request.url ?? '').split(/[/?#]/)[2] ?? '';
    const middleware = MIDDLEWARE[name];
    if (middleware === undefined) next();
    else middleware(request, String(request.headers['x-request-id']), next);
  });
}

/** Fastify's `rewriteUrl`; as {@link MIDDLEWARE}'s `rewritten`, but the route is looked for by what comes of it. */
function rewriteUrl({ url = '', headers }: IncomingMessage): string {
  const [, share, name] = url.split('/');
  return name === 'translated' ? `/${share ?? ''}/of/${String(headers['x-request-id'])}` : url;
}

export const APPS = ['plain', 'twin', 'trusting', 'rewriting', 'by header', 'by media type'] as const;
export type App = (typeof APPS)[number];

/** One server of each kind, with the routes of every share. */
export async function startApps(platform: Platform): Promise<Readonly<Record<App, TestServer>>> {
  const imports = httpFlights({ http: { identity: (context) => userOf(requestOf(context)) } });
  const controllers = SHARES.flatMap((share) => [handlersOf(share), scopedOf(share), ...hostedOf(share)]);
  const options = { imports, controllers, setup: useMiddleware };
  const versions = SHARES.map(versionsOf);
  const byHeader = (app: INestApplication): unknown =>
    app.enableVersioning({ type: VersioningType.HEADER, header: 'X-Api-Version' });
  const byMediaType = (app: INestApplication): unknown =>
    app.enableVersioning({ type: VersioningType.MEDIA_TYPE, key: 'v=' });
  return {
    plain: await TestServer.start(platform, options),
    twin: await TestServer.start(platform, options),
    trusting: await TestServer.start(platform, { ...options, trustProxy: true }),
    rewriting: await TestServer.start(platform, { ...options, rewriteUrl }),
    'by header': await TestServer.start(platform, { imports, controllers: versions, setup: byHeader }),
    'by media type': await TestServer.start(platform, { imports, controllers: versions, setup: byMediaType }),
  };
}
