import 'reflect-metadata';
import { deepEqual } from 'node:assert/strict';
import { NestFactory } from '@nestjs/core';
import { AppModule, Products } from './app.module.js';
import { burst, CALLERS } from './burst.js';

/** Starts the app, meets each route with a burst of equal requests, and fails unless each was answered by one run. */
async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  await app.listen(0, '127.0.0.1');
  const { loaded } = app.get(Products);
  for (const [index, route] of ['decorated', 'intercepted'].entries()) {
    const answers = await burst(`${await app.getUrl()}/${route}/${route}`).catch((error: unknown) => {
      throw new Error(`${route}: not answered, after these runs: ${loaded.join(', ')}`, { cause: error });
    });
    deepEqual(answers, Array<unknown>(CALLERS).fill({ id: route, run: index + 1 }));
    console.log(`${route}: ${answers.length} answers of one run`);
  }
  deepEqual(loaded, ['decorated', 'intercepted']);
  await app.close();
}

void main();
