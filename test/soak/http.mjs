// A thousand clients, a third of whom hang up at a random moment, on Express and Fastify: everybody who stays is answered
// correctly, and afterwards no flight, handle or listener is left, and the heap is where it was.
// `npm run build && node --expose-gc test/soak/http.mjs [seconds] [seed]`
import 'reflect-metadata';
import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, Module, Param, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  FlightSignal,
  getSingleFlightToken,
  SingleFlightInterceptor,
  SingleFlightModule,
  SingleFlightShare,
} from '../../dist/esm/index.js';

const SECONDS = Number(process.argv[2] ?? 60);
const SEED = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const CLIENTS = 1_000;
const KEYS = 50;

let state = SEED;
/** mulberry32: small, and the same numbers for the same seed. */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

class Products {
  async find(id, signal) {
    await sleep(random() * 30, undefined, random() < 0.5 ? { signal } : {});
    return { id };
  }
}
Get(':id')(Products.prototype, 'find', Object.getOwnPropertyDescriptor(Products.prototype, 'find'));
Param('id')(Products.prototype, 'find', 0);
FlightSignal()(Products.prototype, 'find', 1);
SingleFlightShare('public')(Products);
UseInterceptors(SingleFlightInterceptor)(Products);
Controller('products')(Products);

class AppModule {}
Module({
  imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('http')],
  controllers: [Products],
})(AppModule);

/** One request; how it ended. */
function ask(port) {
  const id = String(Math.floor(random() * KEYS));
  const leaves = random() < 1 / 3;
  return new Promise((resolve) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path: `/products/${id}`, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('error', () => resolve('left'));
      response.on('end', () =>
        resolve(text === JSON.stringify({ id }) ? 'answered' : `WRONG ${response.statusCode} ${text}`),
      );
    });
    sent.on('error', (error) => resolve(leaves ? 'left' : `FAILED ${error.message}`));
    sent.end();
    if (leaves) setTimeout(() => sent.destroy(), random() * 30);
  });
}

async function hammer(port, seconds) {
  const ends = new Map();
  const until = performance.now() + seconds * 1_000;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      // Not all in one moment: the kernel resets connections that nobody has had the time to accept.
      await sleep(random() * 1_000);
      while (performance.now() < until) {
        const end = await ask(port);
        ends.set(end, (ends.get(end) ?? 0) + 1);
      }
    }),
  );
  return ends;
}

async function rest() {
  for (let i = 0; i < 5; i++) {
    await sleep(200);
    globalThis.gc();
  }
  const handles = process.getActiveResourcesInfo().filter((kind) => !/TTYWrap|PipeWrap/.test(kind)).length;
  return { heap: process.memoryUsage().heapUsed, handles };
}

console.log(`${CLIENTS} clients, ${SECONDS} s each, seed ${SEED}`);
for (const [platform, adapter] of [
  ['Express', new ExpressAdapter()],
  ['Fastify', new FastifyAdapter()],
]) {
  const app = await NestFactory.create(AppModule, adapter, { logger: false });
  // Room for everybody: the kernel resets connections that it cannot keep until the process accepts them.
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 2 * CLIENTS });
  const { port } = app.getHttpServer().address();
  const flights = app.get(getSingleFlightToken('http'), { strict: false });
  await hammer(port, Math.min(10, SECONDS));
  const before = await rest();
  const ends = await hammer(port, SECONDS);
  const after = await rest();
  const { flights: started, followers, left, active } = flights.stats();
  const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(`${platform}: ${[...ends].map(([end, count]) => `${count.toLocaleString('en')} ${end}`).join(', ')}`);
  console.log(
    `  ${started} flights, ${followers} followers, ${left} left; afterwards ${active} active, ${flights.group.size} keys`,
  );
  console.log(
    `  heap ${mebibytes(before.heap)} → ${mebibytes(after.heap)}, handles ${before.handles} → ${after.handles}`,
  );
  const wrong = [...ends.keys()].some((end) => end !== 'answered' && end !== 'left');
  const leaked = after.heap - before.heap > 5 * 2 ** 20 || after.handles > before.handles;
  if (wrong || leaked || active > 0 || flights.group.size > 0) process.exitCode = 1;
  await app.close();
}
console.log(process.exitCode === 1 ? 'FAILED' : 'level');
