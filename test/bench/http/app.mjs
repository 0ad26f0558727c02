// One server of one kind: `node app.mjs <Express|Fastify> <mode>`, forked by bench-http.mjs, to which it reports its port,
// and on demand the processor time it has used and how often its handlers ran.
import 'reflect-metadata';
import { CacheInterceptor, CacheModule, CacheTTL } from '@nestjs/cache-manager';
import { Controller, Get, Module, Param, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import pg from 'pg';
import { SingleFlightInterceptor, SingleFlightModule } from '../../../dist/esm/index.js';
import { ByHandInterceptor } from './by-hand.mjs';

const [platform, mode] = process.argv.slice(2);

/** Does nothing: what any interceptor costs. */
class EmptyInterceptor {
  intercept(_context, next) {
    return next.handle();
  }
}

const INTERCEPTORS = {
  none: [],
  empty: [EmptyInterceptor],
  'by hand': [ByHandInterceptor],
  public: [SingleFlightInterceptor],
  client: [SingleFlightInterceptor],
  cache: [CacheInterceptor],
  'by hand outside the cache': [ByHandInterceptor, CacheInterceptor],
  'outside the cache': [SingleFlightInterceptor, CacheInterceptor],
  'inside the cache': [CacheInterceptor, SingleFlightInterceptor],
};

let runs = 0;
const pool =
  process.env.DATABASE_URL === undefined
    ? undefined
    : new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

class Products {
  /** The next turn of the event loop: requests that have come in together overlap. */
  find(id) {
    runs++;
    return new Promise((resolve) => {
      setImmediate(() => resolve({ id, name: 'a lamp' }));
    });
  }

  /** A query of 50 ms, on ten connections. */
  async slow(id) {
    runs++;
    const { rows } = await pool.query('SELECT pg_sleep(0.05), $1::text AS id', [id]);
    return { id: rows[0].id, name: 'a lamp' };
  }
}

function decorate(decorators, method) {
  const descriptor = Object.getOwnPropertyDescriptor(Products.prototype, method);
  for (const decorator of decorators) decorator(Products.prototype, method, descriptor);
  Object.defineProperty(Products.prototype, method, descriptor);
}
decorate([Get('fast/:id'), CacheTTL(1)], 'find');
decorate([Get('slow/:id'), CacheTTL(60_000)], 'slow');
for (const method of ['find', 'slow']) Param('id')(Products.prototype, method, 0);
if (INTERCEPTORS[mode].length > 0) UseInterceptors(...INTERCEPTORS[mode])(Products);
Controller('products')(Products);

const share = mode === 'client' ? 'client' : 'public';
class AppModule {}
Module({
  imports: [SingleFlightModule.forRoot({ http: { share } }), CacheModule.register()],
  controllers: [Products],
})(AppModule);

const adapter = platform === 'Express' ? new ExpressAdapter() : new FastifyAdapter();
const app = await NestFactory.create(AppModule, adapter, { logger: false });
await app.init();
if (platform === 'Fastify') await adapter.getInstance().ready();
const server = app.getHttpServer();
server.maxRequestsPerSocket = 0;
// As long as a burst: who does not find a place in it comes again after a second, which says nothing of who answers.
const backlog = 4_096;
await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog }, resolve));

process.on('message', (message) => {
  if (message === 'read') {
    const { user, system } = process.cpuUsage();
    process.send({ cpuUs: user + system, runs });
  } else if (message === 'close') {
    app
      .close()
      .then(() => pool?.end())
      .then(() => process.exit());
  }
});
process.send({ port: server.address().port });
