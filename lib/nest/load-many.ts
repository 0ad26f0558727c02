import type { BatchFunction } from '../core/batch.js';
import { InvalidOptionError } from '../core/errors.js';
import type { Flight } from '../core/flight.js';
import type { Group } from '../core/group.js';
import { encodeKey, keyOfGroup, type FlightKey } from '../core/key.js';
import type { CallOptions, FlightOptions } from '../core/options.js';
import type { KillSwitch } from './method-flights.js';

/** `doMany` for keys of every kind: equal keys are one key, however they were made. */
export async function loadMany<K extends FlightKey, V>(
  group: Group,
  killSwitch: KillSwitch,
  keys: Iterable<K>,
  load: BatchFunction<K, V>,
  options?: CallOptions & FlightOptions,
): Promise<Map<K, V>> {
  const byCode = new Map<string, K>();
  const source = keyOfGroup(group.name);
  for (const key of keys) {
    const code = encodeKey(key, source);
    if (!byCode.has(code)) byCode.set(code, key);
  }
  if (typeof load !== 'function') throw InvalidOptionError.value('load', load, 'a function', { group: group.name });
  const loadCoded: BatchFunction<string, V> = async (missing, flight) => {
    const wanted = missing.map((code) => byCode.get(code) as K);
    return coded(await load(wanted, new FlightOfKeys(wanted, flight)), group.name);
  };
  const codes = [...byCode.keys()];
  const values = await (killSwitch.enabled
    ? group.doMany(codes, loadCoded, options)
    : group.board('', (flight) => loadCoded(codes, new FlightOfKeys(codes, flight)), options, { alone: true }).promise);
  return new Map([...values].map(([code, value]) => [byCode.get(code) as K, value]));
}

/** The flight as the loader sees it: its keys are those that it was given. */
class FlightOfKeys<K> implements Flight<readonly K[]> {
  constructor(
    readonly key: readonly K[],
    private readonly flight: Pick<Flight, 'signal'>,
  ) {}

  get signal(): AbortSignal {
    return this.flight.signal;
  }
}

function coded<K extends FlightKey, V>(loaded: ReadonlyMap<K, V>, group: string): ReadonlyMap<string, V> {
  if (typeof (loaded as Partial<Iterable<unknown>> | undefined)?.[Symbol.iterator] !== 'function') {
    throw InvalidOptionError.value('load()', loaded, 'a Map from key to value', { group });
  }
  const source = { sentence: `Group '${group}': a key of the Map that \`load()\` returned is`, group };
  return new Map([...loaded].map(([key, value]) => [encodeKey(key, source), value]));
}
