import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createServer } from 'node:net';
import { AppModule } from './app.module.js';
import type { Backends } from './app.module.js';
import { reasonOf } from './reason.js';
import { StartupError } from './startup-error.js';

/** Known before a database is seeded for nothing. */
export async function assertPortFree(port: number): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(port, () =>
      probe.close(() => {
        resolve();
      }),
    );
  }).catch((error: unknown) => {
    throw portError(port, error);
  });
}

export function createApp(backends: Backends): Promise<NestExpressApplication> {
  return appOf(AppModule.on(backends));
}

export async function appOf(module: DynamicModule): Promise<NestExpressApplication> {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- a class in Nest's types only
  return NestFactory.create<NestExpressApplication>(module, {
    logger: ['warn', 'error', 'fatal'],
    abortOnError: false,
    // Clients keep their connections open; closing the app must not wait for them.
    forceCloseConnections: true,
  });
}

/** Returns the port that it listens on. */
export async function listen(app: INestApplication, port: number): Promise<number> {
  try {
    await app.listen(port);
  } catch (error) {
    throw portError(port, error);
  }
  return Number(new URL(await app.getUrl()).port);
}

function portError(port: number, error: unknown): StartupError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return new StartupError(`Port ${port} is in use. Choose another one with --port or PORT.`);
  return new StartupError(`Cannot listen on port ${port}: ${reasonOf(error)}. Choose another one with --port or PORT.`);
}
