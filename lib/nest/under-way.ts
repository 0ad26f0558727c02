/**
 * The calls over other transports than HTTP that are on their way through a flight, or whose handler runs for others: where
 * the interceptor stands before the handler once more, they would wait for themselves. By context: Nest makes one for a
 * call, for all its interceptors.
 */
const underWay = new WeakMap<object, number>();

export function isUnderWay(context: object): boolean {
  return underWay.has(context);
}

export function enter(context: object): void {
  underWay.set(context, (underWay.get(context) ?? 0) + 1);
}

export function leave(context: object): void {
  const rest = (underWay.get(context) ?? 0) - 1;
  if (rest > 0) underWay.set(context, rest);
  else underWay.delete(context);
}
