import { CacheModule } from '@nestjs/cache-manager';
import { Controller, Get, Module, Param } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { Redis } from 'ioredis';
import { SingleFlightModule } from 'nestjs-singleflight';
import { RedisEngine } from 'nestjs-singleflight/redis';
import type { Pool } from 'pg';
import { ProductIdPipe } from '../catalogue/product-id.pipe.js';
import type { ProductPage } from '../catalogue/product-page.js';
import { ProductRepository } from '../catalogue/product.repository.js';
import { Database } from '../database/database.js';
import { DatabaseModule } from '../database/database.module.js';
import { appOf, listen } from '../server.js';
import { FleetPagesService } from './fleet-pages.service.js';
import { tellParent, type ToMember } from './messages.js';

/** Short, so that a takeover is soon seen; 10 seconds is the default. */
const LEASE_MS = 1_500;

@Controller('products/:id')
class FleetPagesController {
  constructor(private readonly pages: FleetPagesService) {}

  @Get('alone')
  alone(@Param('id', ProductIdPipe) id: number): Promise<ProductPage> {
    return this.pages.alone(id);
  }

  @Get('together')
  together(@Param('id', ProductIdPipe) id: number): Promise<ProductPage> {
    return this.pages.together(id);
  }
}

@Module({})
class MemberModule {
  static on(pool: Pool, redis: Redis): DynamicModule {
    return {
      module: MemberModule,
      imports: [
        SingleFlightModule.forRoot({
          fleet: { app: 'singleflight-sample', engine: new RedisEngine({ client: redis }), leaseMs: LEASE_MS },
        }),
        CacheModule.register({ isGlobal: true }),
        DatabaseModule.on(pool),
      ],
      controllers: [FleetPagesController],
      providers: [ProductRepository, FleetPagesService],
    };
  }
}

/** One process of the fleet: serves the catalogue until it is told to close, or the one that plays is gone. */
export async function serveAsMember(databaseUrl: string, redisUrl: string): Promise<void> {
  const database = await Database.at(databaseUrl);
  const redis = new Redis(redisUrl);
  const app = await appOf(MemberModule.on(database.pool, redis));
  const pages = app.get(FleetPagesService);
  const closed = new Promise<void>((resolve) => {
    process.on('message', (message: ToMember) => {
      if (message.kind === 'close') resolve();
      else
        void pages.expire().then(() => {
          tellParent({ kind: 'expired' });
        });
    });
    process.once('disconnect', resolve);
  });
  tellParent({ kind: 'listening', port: await listen(app, 0) });
  await closed;
  await app.close();
  redis.disconnect();
  await database.close();
}
