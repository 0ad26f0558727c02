import { AsyncLocalStorage } from 'node:async_hooks';

/** In whose name something happens: the path of a caller, or `group 0` for where a group was made. */
export const name = new AsyncLocalStorage<string>();
