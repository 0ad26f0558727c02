/** What a weak map has for a key; made when it is first asked for. */
export function weakEntry<V>(map: WeakMap<object, V>, key: object, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
