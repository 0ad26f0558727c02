// An app whose module comes from another copy of the library than its interceptor: `node program.js <the other copy>`.
import 'reflect-metadata';
import type { AddressInfo, Server } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Get, Module, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import type * as Library from 'nestjs-singleflight';

const other = (await import(process.argv[2] ?? '')) as typeof Library;
const AT_ONCE = 5;
let runs = 0;
let open: (() => void) | undefined;
const opened = new Promise<void>((resolve) => (open = resolve));

@Controller()
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Products {
  @Get()
  async find(): Promise<string> {
    runs++;
    await opened;
    return 'a lamp';
  }
}

@Module({
  imports: [other.SingleFlightModule.forRoot(), other.SingleFlightModule.forFeature('http')],
  controllers: [Products],
})
class AppModule {}

// eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest means the shape of the class
const app = await NestFactory.create(AppModule, { logger: false });
await app.listen(0, '127.0.0.1');
const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
const answers = Promise.all(
  Array.from({ length: AT_ONCE }, async () => (await fetch(`http://127.0.0.1:${port}`)).text()),
);
const { group } = app.get<Library.SingleFlightService>(other.getSingleFlightToken('http'));
while (group.stats().callers + group.stats().bypassed < AT_ONCE && runs < AT_ONCE) await turn();
open?.();
const bodies = await answers;
const { callers, active } = group.stats();
console.log(JSON.stringify({ bodies, runs, callers, active, size: group.size }));
await app.close();
