import { afterEach, describe, expect, it } from '@jest/globals';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import {
  Controller,
  createParamDecorator,
  ForbiddenException,
  Get,
  Header,
  HttpCode,
  Injectable,
  NotFoundException,
  Param,
  ParseIntPipe,
  Query,
  Res,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { SingleFlight, singleFlightOf, SingleFlightModule } from 'nestjs-singleflight';
import { closeApps, listen, PLATFORMS, type ListeningApp } from './support/apps.js';
import { until, Work } from './support/work.js';

const Roles = (...roles: string[]) => SetMetadata('roles', roles);

/** Lets in who has the handler's role, and remembers what it saw. */
@Injectable()
class RolesGuard implements CanActivate {
  static readonly seen: unknown[] = [];

  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const handler = context.getHandler();
    const roles = this.reflector.get<string[] | undefined>('roles', handler);
    RolesGuard.seen.push([handler.name, handler.length, roles]);
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    if (roles === undefined) throw new Error('The guard does not see the roles.');
    if (!roles.includes(headers['x-role'] ?? '')) throw new ForbiddenException();
    return true;
  }
}

const UserAgent = createParamDecorator(
  (_: unknown, context: ExecutionContext) =>
    context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-agent'],
);

@Controller('users')
class UsersController {
  readonly work = new Work();

  @SingleFlight((id: number) => id)
  @Get('above/:id')
  @HttpCode(202)
  @Header('x-page', 'above')
  @UseGuards(RolesGuard)
  @Roles('admin')
  async above(@Param('id', ParseIntPipe) id: number, @Query('locale') locale: string): Promise<object> {
    return { id, locale, text: await this.work.execute(id, locale) };
  }

  @Get('below/:id')
  @HttpCode(202)
  @Header('x-page', 'below')
  @UseGuards(RolesGuard)
  @Roles('admin')
  @SingleFlight((id: number) => id)
  async below(@Param('id', ParseIntPipe) id: number, @Query('locale') locale: string): Promise<object> {
    return { id, locale, text: await this.work.execute(id, locale) };
  }

  @Get('between/:id')
  @Roles('admin')
  @SingleFlight((id: number) => id)
  @UseGuards(RolesGuard)
  @HttpCode(202)
  @Header('x-page', 'between')
  async between(@Param('id', ParseIntPipe) id: number, @Query('locale') locale: string): Promise<object> {
    return { id, locale, text: await this.work.execute(id, locale) };
  }

  @Get('agent')
  @SingleFlight((agent: string) => agent)
  async agent(@UserAgent() agent: string): Promise<string> {
    return `${agent} ${await this.work.execute(agent)}`;
  }

  @Get('passthrough')
  @SingleFlight(() => 'all')
  async passthrough(@Res({ passthrough: true }) response: object): Promise<string> {
    return `${typeof response} ${await this.work.execute()}`;
  }
}

const admin = { headers: { 'x-role': 'admin' } };
let running: ListeningApp;
let users: UsersController;

async function start(platform: (typeof PLATFORMS)[number]): Promise<void> {
  running = await listen(platform, { imports: [SingleFlightModule.forRoot()], controllers: [UsersController] });
  users = running.app.get(UsersController);
  RolesGuard.seen.length = 0;
}

/** Waits until so many callers are aboard one flight of the handler. */
function aboard(method: 'above' | 'below' | 'between' | 'agent' | 'passthrough', callers: number): Promise<void> {
  const flights = singleFlightOf(users, method);
  return until(() => flights.inFlight()[0]?.callers === callers);
}

afterEach(closeApps);

describe.each(PLATFORMS)('@SingleFlight on a route, on %s', (platform) => {
  it.each(['above', 'below', 'between'] as const)('works %s the decorators of Nest', async (method) => {
    await start(platform);
    const path = `/users/${method}/7?locale=en`;
    const requests = [running.fetch(path, admin), running.fetch(path, admin), running.fetch(path, admin)];
    await aboard(method, 3);
    expect(users.work.args).toEqual([[7, 'en']]);
    expect(RolesGuard.seen).toEqual(Array(3).fill([method, 2, ['admin']]));
    users.work.resolve('Ada');
    for (const response of await Promise.all(requests)) {
      expect(response.status).toBe(202);
      expect(response.headers.get('x-page')).toBe(method);
      expect(await response.json()).toEqual({ id: 7, locale: 'en', text: 'Ada' });
    }
  });

  it.each(['above', 'below', 'between'] as const)('%s them, guards turn away one request only', async (method) => {
    await start(platform);
    const path = `/users/${method}/7`;
    const request = running.fetch(path, admin);
    await aboard(method, 1);
    expect((await running.fetch(path)).status).toBe(403);
    expect(singleFlightOf(users, method).inFlight()).toMatchObject([{ callers: 1 }]);
    users.work.resolve('Ada');
    expect((await request).status).toBe(202);
  });

  it('runs pipes before it joins', async () => {
    await start(platform);
    const request = running.fetch('/users/above/7', admin);
    await aboard('above', 1);
    expect((await running.fetch('/users/above/seven', admin)).status).toBe(400);
    expect(users.work.args).toHaveLength(1);
    users.work.resolve('Ada');
    await request;
  });

  it('takes what parameter decorators give', async () => {
    await start(platform);
    const requests = ['curl', 'curl', 'wget'].map(async (agent) => {
      const response = await running.fetch('/users/agent', { headers: { 'x-agent': agent } });
      return response.text();
    });
    await until(() => singleFlightOf(users, 'agent').inFlight().length === 2);
    await aboard('agent', 2);
    expect(users.work.args).toEqual([['curl'], ['wget']]);
    users.work.resolve('seen');
    expect(await Promise.all(requests)).toEqual(['curl seen', 'curl seen', 'wget seen']);
  });

  it('passes an HttpException to all, to whom Nest answers with its status', async () => {
    await start(platform);
    const requests = [running.fetch('/users/above/7', admin), running.fetch('/users/above/7', admin)];
    await aboard('above', 2);
    users.work.reject(new NotFoundException('no such user'));
    for (const response of await Promise.all(requests)) {
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ message: 'no such user' });
    }
  });

  it('works with @Res({ passthrough: true })', async () => {
    await start(platform);
    const requests = [running.fetch('/users/passthrough'), running.fetch('/users/passthrough')];
    await aboard('passthrough', 2);
    users.work.resolve('done');
    for (const response of await Promise.all(requests)) expect(await response.text()).toBe('object done');
  });
});
