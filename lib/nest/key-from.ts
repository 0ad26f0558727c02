/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- they say what the transport hands over, which nothing checks */
import type { ExecutionContext } from '@nestjs/common';
import type { KeyResult } from './decorator-types.js';
import type { ContextKeyFunction } from './share.decorators.js';

/**
 * Key functions for `@SingleFlightKey`, one for each transport, with what a handler of it is given. A call that came
 * over another transport goes alone.
 *
 * @example
 * ```ts
 * import { keyFrom, SingleFlightKey } from 'nestjs-singleflight';
 *
 * class Prices {
 *   @SingleFlightKey(keyFrom.http((request: { user?: { tier: string } }) => request.user?.tier))
 *   async list(): Promise<number[]> {
 *     return [1];
 *   }
 *
 *   @SingleFlightKey(keyFrom.graphql(({ id }: { id: number }, context: { tenant: string }) => [context.tenant, id]))
 *   async price(): Promise<number> {
 *     return 1;
 *   }
 *
 *   @SingleFlightKey(keyFrom.rpc(({ id }: { id: number }) => id))
 *   async message(): Promise<number> {
 *     return 1;
 *   }
 * }
 * ```
 */
export const keyFrom = {
  /** @param keyFn makes the key of the platform's request */
  http<Request>(keyFn: (request: Request) => KeyResult): ContextKeyFunction {
    return over('http', (context) => keyFn(context.switchToHttp().getRequest<Request>()));
  },

  /** @param keyFn makes the key of a resolver's arguments, its GraphQL context, the resolve info and the parent */
  graphql<Args, Context = unknown, Info = unknown, Parent = unknown>(
    keyFn: (args: Args, context: Context, info: Info, parent: Parent) => KeyResult,
  ): ContextKeyFunction {
    return over('graphql', (context) => {
      const [parent, args, graphqlContext, info] = context.getArgs<[Parent, Args, Context, Info]>();
      return keyFn(args, graphqlContext, info, parent);
    });
  },

  /** @param keyFn makes the key of a message's payload and its transport's context */
  rpc<Data, Context = unknown>(keyFn: (data: Data, context: Context) => KeyResult): ContextKeyFunction {
    return over('rpc', (context) =>
      keyFn(context.switchToRpc().getData<Data>(), context.switchToRpc().getContext<Context>()),
    );
  },

  /** @param keyFn makes the key of a WebSocket message's payload and its client */
  ws<Data, Client = unknown>(keyFn: (data: Data, client: Client) => KeyResult): ContextKeyFunction {
    return over('ws', (context) =>
      keyFn(context.switchToWs().getData<Data>(), context.switchToWs().getClient<Client>()),
    );
  },
};

function over(transport: string, keyFn: ContextKeyFunction): ContextKeyFunction {
  return (context: ExecutionContext) => (context.getType<string>() === transport ? keyFn(context) : undefined);
}
