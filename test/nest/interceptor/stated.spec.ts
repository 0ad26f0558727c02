import { afterEach, describe, expect, it } from '@jest/globals';
import { All, Controller, Get, Head, Next, Param, Post, Put, Res, Session, Sse } from '@nestjs/common';
import { SingleFlightKey, SingleFlightModule, SingleFlightShare, SkipSingleFlight } from 'nestjs-singleflight';
import { NEVER, type Observable } from 'rxjs';
import { closeApps, startApp } from '../support/apps.js';

/** What an app with this controller is warned of when it starts. */
async function warnings(controller: new () => object): Promise<string[]> {
  const { logger } = await startApp({ imports: [SingleFlightModule.forRoot()], controllers: [controller] });
  return logger.warnings;
}

const key = (): string => 'key';

@Controller('orders')
@SingleFlightShare('public')
class Orders {
  @Post()
  @SingleFlightShare('public')
  create(): string {
    return 'created';
  }

  @Put()
  @SingleFlightKey(key)
  replace(): string {
    return 'replaced';
  }

  @Sse('events')
  @SingleFlightShare('public')
  events(): Observable<never> {
    return NEVER;
  }

  @Get('raw')
  @SingleFlightShare('public')
  raw(@Res() response: { end(): void }): void {
    response.end();
  }

  @Get('next')
  @SingleFlightKey(key)
  next(@Next() next: () => void): void {
    next();
  }

  @Get('passed')
  @SingleFlightShare('public')
  passed(@Res({ passthrough: true }) response: { readonly statusCode: number }): string {
    return `passed ${response.statusCode}`;
  }

  @Get('passed/client')
  @SingleFlightShare('client')
  passedToClient(@Res({ passthrough: true }) response: { readonly statusCode: number }): string {
    return `passed ${response.statusCode}`;
  }

  @Get('session')
  @SingleFlightShare('client')
  @SingleFlightKey(key)
  session(@Session() session: object): object {
    return session;
  }

  @Get(':id')
  @SingleFlightShare('public')
  find(@Param('id') id: string): string {
    return id;
  }

  @Head()
  @SingleFlightShare('client')
  head(): void {
    /* Nothing. */
  }

  @All('all')
  @SingleFlightKey(key)
  all(): string {
    return 'all';
  }

  @Post('plain')
  @SkipSingleFlight()
  plain(): string {
    return 'plain';
  }
}

class Base {
  @Post()
  @SingleFlightShare('public')
  save(): string {
    return 'saved';
  }
}

@Controller('overriding')
class Overriding extends Base {
  @Get()
  override save(): string {
    return 'read';
  }
}

@Controller('inheriting')
class Inheriting extends Base {}

describe('What is stated where nothing is ever coalesced', () => {
  afterEach(closeApps);

  it('is told of when the app starts, once for each handler, with what to do', async () => {
    expect(await warnings(Orders)).toEqual([
      '@SingleFlightShare on Orders.create has no effect: POST requests are never coalesced, only GET and HEAD are. Take it away.',
      '@SingleFlightKey on Orders.replace has no effect: PUT requests are never coalesced, only GET and HEAD are. Take it away.',
      '@SingleFlightShare on Orders.events has no effect: an @Sse() handler sends each client events of its own. Take it away.',
      '@SingleFlightShare on Orders.raw has no effect: its handler answers through @Res() or @Next(), which nobody else gets. Return the value, or use @Res({ passthrough: true }).',
      '@SingleFlightKey on Orders.next has no effect: its handler answers through @Res() or @Next(), which nobody else gets. Return the value, or use @Res({ passthrough: true }).',
      "@SingleFlightShare on Orders.passedToClient has no effect: a handler that takes @Res({ passthrough: true }) or @Session() may answer its own client, so that under 'client' its requests go alone. State 'public', or a @SingleFlightKey of what the answer depends on, if everybody with that may have it.",
    ]);
  });

  it('is told of a handler that is inherited, by the class that has the route', async () => {
    expect(await warnings(Inheriting)).toEqual([
      '@SingleFlightShare on Inheriting.save has no effect: POST requests are never coalesced, only GET and HEAD are. Take it away.',
    ]);
  });

  it('is not told of one that a subclass has replaced', async () => {
    expect(await warnings(Overriding)).toEqual([]);
  });
});
