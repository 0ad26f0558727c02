import { EventEmitter } from 'node:events';
import type { ExecutionContext } from '@nestjs/common';
import { SingleFlightShare, type SingleFlightInterceptor } from 'nestjs-singleflight';
import { firstValueFrom, toArray, type Observable } from 'rxjs';

@SingleFlightShare('public')
class Handlers {
  get(): void {
    /* Its answer comes from the test. */
  }
}

/** A request and its response, which no server knows. */
export class Exchange {
  readonly headers: Record<string, string> = {};
  readonly response = Object.assign(new EventEmitter(), {
    statusCode: 200,
    destroyed: false,
    writableFinished: false,
    headersSent: false,
    getHeaders: () => ({ ...this.headers }),
    header: (name: string, value: string) => {
      // As Node does it.
      if (this.response.headersSent) throw new Error('Cannot set headers after they are sent to the client');
      this.headers[name.toLowerCase()] = value;
    },
    removeHeader: () => undefined,
    status: () => undefined,
  });

  readonly request = { method: 'GET', url: '/', headers: {}, rawHeaders: ['Host', 'a'] };

  /** What an outer interceptor sees. */
  through(interceptor: SingleFlightInterceptor, handle: () => Observable<unknown>): Observable<unknown> {
    const all = [this.request, this.response];
    const context = {
      getType: () => 'http',
      getClass: () => Handlers,
      getHandler: () => Handlers.prototype.get,
      getArgByIndex: (index: number) => all[index],
      switchToHttp: () => ({ getRequest: () => this.request, getResponse: () => this.response }),
    } as unknown as ExecutionContext;
    return interceptor.intercept(context, { handle });
  }

  /** As Nest does it. */
  answer(interceptor: SingleFlightInterceptor, handle: () => Observable<unknown>): Promise<unknown> {
    return firstValueFrom(this.through(interceptor, handle), { defaultValue: 'nothing' });
  }

  /** All that it is answered with. */
  answers(interceptor: SingleFlightInterceptor, handle: () => Observable<unknown>): Promise<unknown[]> {
    return firstValueFrom(this.through(interceptor, handle).pipe(toArray()));
  }

  get listeners(): number {
    return this.response.listenerCount('close');
  }

  /** Its client goes away. */
  hangUp(): boolean {
    this.destroy();
    return this.response.emit('close');
  }

  /** Its client has gone, and it has not been told yet. */
  destroy(): void {
    this.response.destroyed = true;
  }
}
