import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Req,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { until } from './support/client.js';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, statuses, TestServer, turn } from './support/server.js';

interface AnyRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly user?: string;
  readonly raw?: { readonly user?: string };
}

class Doorkeeper implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<AnyRequest>().headers.authorization !== 'Bearer bert';
  }
}

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Accounts {
  @Get('mine')
  mine(@Req() { user, raw }: AnyRequest): Promise<string> {
    return hold.work(`of ${user ?? raw?.user ?? 'nobody'}`);
  }

  @Get('guarded')
  @UseGuards(Doorkeeper)
  @SingleFlightShare('public')
  guarded(): Promise<string> {
    return hold.work('for those who may have it');
  }
}

/** A client that keeps its one connection. */
class Client {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(private readonly port: number) {}

  get(path: string, headers: Record<string, string> = {}): Promise<string> {
    const options = { host: '127.0.0.1', port: this.port, path, agent: this.agent, headers };
    return new Promise((resolve, reject) => {
      const sent = httpRequest(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          resolve(text);
        });
      });
      sent.on('error', reject).end();
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

describe.each(PLATFORMS)('Who asks, where no header says it, on %s', (platform) => {
  const users = new WeakMap<Socket, string>();
  let server: TestServer;
  let clients: Client[];
  beforeAll(async () => {
    server = await TestServer.start(platform, {
      imports: httpFlights(),
      controllers: [Accounts],
      setup: (app) =>
        // As NTLM does: a handshake says for all later requests of the connection whose they are.
        app.use((request: IncomingMessage & { user?: string | undefined }, _response: unknown, next: () => void) => {
          const [, name] = /^(?:NTLM|Negotiate) (.+)$/.exec(request.headers.authorization ?? '') ?? [];
          if (name !== undefined) users.set(request.socket, name);
          request.user = users.get(request.socket);
          next();
        }),
    });
    clients = [new Client(server.port), new Client(server.port)];
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await closeServers();
  });

  it.each(['NTLM', 'Negotiate'])('a connection that %s has authenticated', async (scheme) => {
    hold.shut();
    hold.open();
    const [anna, bert] = clients as [Client, Client];
    await expect(anna.get('/mine', { Authorization: `${scheme} anna` })).resolves.toBe('of anna');
    await expect(bert.get('/mine', { Authorization: `${scheme} bert` })).resolves.toBe('of bert');
    hold.shut();
    server.entered = 0;
    const answers = Promise.all([anna.get('/mine'), bert.get('/mine')]);
    await until(() => server.entered === 2);
    await turn();
    hold.open();
    expect(await answers).toEqual(['of anna', 'of bert']);
    expect(hold.runs).toBe(2);
  });

  it('a guard outside is asked for every request, whatever is shared', async () => {
    const asked = ['anna', 'bert', 'carl', 'bert'].map((name) => ({
      path: '/guarded',
      headers: { Authorization: `Bearer ${name}` },
    }));
    const burst = await server.burst(...asked);
    expect(statuses(burst)).toEqual([200, 403, 200, 403]);
    expect(burst.runs).toBe(1);
    expect(bodies(burst)[1]).not.toContain('those who may');
  });
});
