import { CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import type { Keyv } from 'keyv';
import { SingleFlightModule } from 'nestjs-singleflight';
import type { Pool } from 'pg';
import { CatalogueModule } from './catalogue/catalogue.module.js';
import { DatabaseModule } from './database/database.module.js';

export interface Backends {
  readonly pool: Pool;
  /** Without one, the cache is in memory. */
  readonly cache: Keyv | undefined;
}

@Module({})
export class AppModule {
  static on({ pool, cache }: Backends): DynamicModule {
    return {
      module: AppModule,
      imports: [
        SingleFlightModule.forRoot(),
        CacheModule.register({ isGlobal: true, ...(cache && { stores: cache }) }),
        DatabaseModule.on(pool),
        CatalogueModule,
      ],
    };
  }
}
