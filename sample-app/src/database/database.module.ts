import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import type { Pool } from 'pg';

export const POOL = Symbol('pg.Pool');

@Module({})
export class DatabaseModule {
  static on(pool: Pool): DynamicModule {
    return { module: DatabaseModule, global: true, providers: [{ provide: POOL, useValue: pool }], exports: [POOL] };
  }
}
