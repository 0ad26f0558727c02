import { Module } from '@nestjs/common';
import type {
  DynamicModule,
  INestApplication,
  INestApplicationContext,
  ModuleMetadata,
  NestApplicationOptions,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { RecordingLogger } from './recording-logger.js';

export const PLATFORMS = ['Express', 'Fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** An app without a server, with what it has logged. */
export interface StartedApp {
  readonly app: INestApplicationContext;
  readonly logger: RecordingLogger;
}

/** An app that listens. */
export interface ListeningApp {
  readonly app: INestApplication;
  readonly logger: RecordingLogger;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

@Module({})
class AppModule {}

const running: INestApplicationContext[] = [];

/** Starts an app without a server; whatever refuses to start, rejects. */
export async function startApp(metadata: ModuleMetadata): Promise<StartedApp> {
  const logger = new RecordingLogger();
  const app = await NestFactory.createApplicationContext(moduleOf(metadata), optionsWith(logger));
  running.push(app);
  return { app, logger };
}

/** Starts an app that serves HTTP on a port of its own. */
export async function listen(platform: Platform, metadata: ModuleMetadata): Promise<ListeningApp> {
  const logger = new RecordingLogger();
  const options = optionsWith(logger);
  let app: INestApplication;
  if (platform === 'Express') {
    app = await NestFactory.create(moduleOf(metadata), new ExpressAdapter(), options);
    await app.init();
  } else {
    const fastify = await NestFactory.create<NestFastifyApplication>(
      moduleOf(metadata),
      new FastifyAdapter({ forceCloseConnections: true }),
      options,
    );
    await fastify.init();
    await fastify.getHttpAdapter().getInstance().ready();
    app = fastify;
  }
  running.push(app);
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return { app, logger, fetch: (path, init) => fetch(url + path, init) };
}

/** For `afterEach`. */
export async function closeApps(): Promise<void> {
  await Promise.all(running.splice(0).map((app) => app.close()));
}

function optionsWith(logger: RecordingLogger): NestApplicationOptions {
  // A test that fails leaves requests behind, for which closing would wait.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest means the shape of the class
  return { logger, abortOnError: false, forceCloseConnections: true };
}

function moduleOf(metadata: ModuleMetadata): DynamicModule {
  return { module: AppModule, ...metadata };
}
