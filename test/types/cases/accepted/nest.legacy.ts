import {
  Controller,
  Get,
  Injectable,
  Module,
  UseInterceptors,
  type DynamicModule,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import {
  getSingleFlightToken,
  InjectSingleFlight,
  SingleFlightInterceptor,
  SingleFlightKey,
  SingleFlightModule,
  SingleFlightService,
  SingleFlightShare,
  SkipSingleFlight,
  type SingleFlightModuleOptions,
} from 'nestjs-singleflight';
import { same } from '../same.js';

@Injectable()
export class Settings {
  readonly joinWindowMs = 1_000;
}

@Injectable()
export class Catalog {
  @InjectSingleFlight('prices') private readonly prices!: SingleFlightService;

  constructor(
    private readonly singleFlight: SingleFlightService,
    @InjectSingleFlight('catalog') private readonly catalog: SingleFlightService,
  ) {}

  find(id: string) {
    return this.catalog.run(id, () => this.singleFlight.run(id, () => this.prices.run(id, async () => 42)));
  }
}

@Controller('catalog')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('client')
export class CatalogController {
  @Get()
  @SingleFlightShare('public', { vary: ['accept-language'] })
  async list() {
    return [];
  }

  @Get('mine')
  @SingleFlightKey((context: ExecutionContext) => context.switchToHttp().getRequest<{ user?: string }>().user)
  async mine() {
    return [];
  }

  @Get('now')
  @SkipSingleFlight()
  async now() {
    return Date.now();
  }
}

export const modules: DynamicModule[] = [
  SingleFlightModule.forRoot(),
  SingleFlightModule.forRoot({ isGlobal: false, enabled: true, joinWindowMs: 1_000, http: { share: 'public' } }),
  SingleFlightModule.forRootAsync({
    inject: [Settings],
    useFactory: (settings: Settings): SingleFlightModuleOptions => ({ joinWindowMs: settings.joinWindowMs }),
  }),
  SingleFlightModule.forRootAsync({ isGlobal: false, useFactory: async () => ({ lingerMs: 50 }) }),
  SingleFlightModule.forFeature('catalog', { name: 'prices', lingerMs: 50 }),
];

@Module({
  imports: modules,
  controllers: [CatalogController],
  providers: [
    Catalog,
    { provide: APP_INTERCEPTOR, useClass: SingleFlightInterceptor },
    { provide: getSingleFlightToken('catalog'), useValue: new SingleFlightService() },
  ],
})
export class AppModule {}

same<symbol>()(getSingleFlightToken());
