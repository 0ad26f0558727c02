import { mutant, P } from './mutant.mjs';

const START = `if (this.sinks.start.hasSubscribers) this.sinks.start.publish({ ...this.flightEvent(flight), alone });`;
const FORGET_EVENT = `this.announcer.forgotten(flight.key);`;
const FORGET_KEY = `if (flight.settled) this.free(flight);\n    else this.setAdrift(flight, 'forgotten');`;
const JOIN = `const caller = this.caller(found, 'follower', options, canLeave);\n    this.flights.join(found);`;
const CALL = `endWith(flight, this.plain ? fn(flight) : this.call(flight, () => fn(flight)))`;
const CUT = `this.countFailure(flight.batch);\n    this.settle(flight, false, error);\n    flight.abort(error);`;
const CUT_KEY = `if (flight.keyed) this.roster.setAdrift(flight, reason);`;
const DOOM_KEY = `this.release(flight);\n`;
const DOOM_ABORT = `flight.abort(new AbandonedError(this.place(flight.key)));`;

/** @type {Mutant[]} */
export const promises = [
  mutant(1, 'the flight is not registered', 'roster', [[`this.keyed.set(flight.key, flight);\n`, '']], P[1], P[3]),
  mutant(1, 'callers with a signal fly alone', 'boarding', [
    [
      `const found = mode.alone === true ? undefined`,
      `const found = mode.alone === true || options.signal ? undefined`,
    ],
  ]),
  mutant(1, 'what an observer started meanwhile is not joined', 'roster', [
    [`return this.keyed.get(key);\n  }`, `return undefined;\n  }`],
  ]),
  mutant(
    2,
    'the key is freed one microtask late',
    'adopt',
    [[`returned.then(\n      (value) => {`, `returned.then((value) => value).then(\n      (value) => {`]],
    P[2],
    P[5],
  ),
  mutant(
    2,
    'the entry goes when its last caller leaves',
    'flights',
    [
      [
        `flight.doomIfEmpty();`,
        `if (flight.aboard === 0 && flight.keyed) this.roster.free(flight);\n    flight.doomIfEmpty();`,
      ],
    ],
    P[2],
  ),
  mutant(
    2,
    'an entry stays while somebody joined it',
    'flights',
    [
      [
        `if (flight.keyed && !lingers) this.roster.free(flight);`,
        `if (flight.keyed && !lingers && flight.joined < 3) this.roster.free(flight);`,
      ],
    ],
    P[2],
    P[1],
    P[5],
  ),
  mutant(
    2,
    'the join window is ignored',
    'roster',
    [[`turnTime() >= flight.joinableUntil`, `turnTime() >= Infinity`]],
    P[2],
  ),
  mutant(
    2,
    'the join window is one millisecond too long',
    'roster',
    [[`turnTime() >= flight.joinableUntil`, `turnTime() > flight.joinableUntil`]],
    P[2],
  ),
  mutant(
    2,
    'a failure lingers',
    'flights',
    [[`const lingers = ok && lingerMs > 0`, `const lingers = lingerMs > 0`]],
    P[9],
    'core/group.spec',
  ),
  mutant(
    2,
    'a lingering result waits for its timer',
    'flight',
    [[`this.joinableUntil = performance.now() + lingerMs;`, `this.joinableUntil = Infinity;`]],
    'core/group.spec',
  ),
  mutant(3, 'the flight is registered after its function was called', 'flights', [
    [
      `promise = ${CALL}`,
      `this.roster.free(flight);\n      endWith(flight, fn(flight));\n      this.roster.register(flight);`,
    ],
  ]),
  mutant(
    3,
    'a synchronous throw leaves the key',
    'flights',
    [[`flight.end(false, error);`, `flight.settle(false, error);\n      return;`]],
    P[3],
  ),
  mutant(3, 'the function is called a microtask later', 'flights', [
    [CALL, `endWith(flight, Promise.resolve().then(() => fn(flight)))`],
  ]),
  mutant(
    4,
    'the end of any flight frees the key',
    'flights',
    [[`if (flight.keyed && !lingers) this.roster.free(flight);`, `if (!lingers) this.roster.free(flight);`]],
    P[4],
    'go-parity/singleflight',
  ),
  mutant(
    4,
    'a forgotten flight lingers',
    'flights',
    [
      [`lingerMs > 0 && flight.keyed && !this.closed`, `lingerMs > 0 && !this.closed`],
      [`if (lingers && flight.keyed) this`, `if (lingers) this`],
    ],
    P[4],
  ),
  mutant(4, 'the timer of a forgotten lingering result fires', 'roster', [[`flight.endLinger();\n`, '']]),
  mutant(4, '`forgetAll` forgets a flight twice', 'roster', [
    [`if (flight.keyed) this.forgetFlight(flight);`, `this.forgetFlight(flight);`],
  ]),
  mutant(4, '`forget` is told of before the key is free', 'roster', [
    [`${FORGET_KEY}\n    ${FORGET_EVENT}`, `${FORGET_EVENT}\n    ${FORGET_KEY}`],
  ]),
  mutant(5, 'the signal of a timed-out flight aborts before the key is free', 'flights', [
    [
      `${CUT_KEY}\n    ${CUT}`,
      `flight.abort(error);\n    ${CUT_KEY}\n    this.countFailure(flight.batch);\n    this.settle(flight, false, error);`,
    ],
  ]),
  mutant(5, 'a timed-out flight keeps its key', 'flights', [[CUT_KEY, '']], 'core/observer'),
  mutant(
    5,
    'a `then` of its own is passed over',
    'adopt',
    [[` && value.then === Promise.prototype.then`, '']],
    P[5],
    P['6t'],
  ),
  mutant(6, 'a falsy rejection resolves callers who cannot leave', 'flight', [
    [`if (ok) extras.resolve?.(outcome);`, `if (ok || !outcome) extras.resolve?.(outcome);`],
  ]),
  mutant(6, 'a falsy rejection resolves callers who can leave', 'callers', [
    [`if (ok) this.resolve(outcome);`, `if (ok || !outcome) this.resolve(outcome);`],
  ]),
  mutant(
    6,
    'the late end of a timed-out function counts',
    'flights',
    [[`if (!flight.settled) this.settle(flight, ok, outcome);`, `this.settle(flight, ok, outcome);`]],
    P[6],
  ),
  mutant(6, 'the process may end before a wait timeout', 'exit', [
    [`leaver, waitTimeoutMs);\n  }`, `leaver, waitTimeoutMs).unref();\n  }`],
  ]),
  mutant(6, 'the process may end before a flight timeout', 'flight', [
    [`if (this.aboard === 0) timer.unref();`, `timer.unref();`],
  ]),
  mutant(6, 'a flight timeout keeps the process alive for nobody', 'flight', [
    [`if (this.aboard === 0) this.extras.timer?.unref();\n`, ''],
  ]),
  mutant(6, 'a flight timeout keeps the process alive for a leader who left inside', 'flight', [
    [`if (this.aboard === 0) timer.unref();\n`, ''],
  ]),
  mutant(6, 'the process may end before a flight timeout of one who came back', 'flight', [
    [
      `if (this.joined++ !== this.left) return;\n    this.extras?.timer?.ref();`,
      `if (this.joined++ !== this.left) return;`,
    ],
  ]),
  mutant(6, 'the rejection of a flight whose callers can leave is unhandled', 'flight', [
    [`handled(Promise.reject(outcome))`, `Promise.reject(outcome)`],
  ]),
  mutant(6, 'a caller boards after its joining was told', 'boarding', [
    [JOIN, `this.flights.join(found);\n    const caller = this.caller(found, 'follower', options, canLeave);`],
  ]),
  mutant(6, 'a caller who leaves is not answered', 'callers', [[`this.reject(reason);\n`, '']], P[6]),
  mutant(
    6,
    'a wait timeout does nothing',
    'exit',
    [[`leaver.leave(new WaitTimeoutError(leaver.place(), waitTimeoutMs));`, '']],
    P[6],
    P[7],
  ),
  mutant(
    6,
    'a thenable is executed twice',
    'adopt',
    [[`  asking = false;`, `  then.call(thenable, () => undefined, () => undefined);\n  asking = false;`]],
    P['6t'],
  ),
  mutant(
    6,
    'a thenable is a value',
    'adopt',
    [[`return typeof then === 'function' ?`, `return typeof then === 'symbol' ?`]],
    P[5],
  ),
  mutant(
    7,
    'the flight ends with its leader',
    'flights',
    [[`flight.doomIfEmpty();`, `if (role === 'leader') this.doom(flight);\n    flight.doomIfEmpty();`]],
    P[7],
  ),
  mutant(
    7,
    'a caller who leaves rejects with a reason not its own',
    'exit',
    [[`leaver.leave(this.signal.reason);`, `leaver.leave(new Error('left'));`]],
    P[7],
  ),
  mutant(
    7,
    'only one of the callers of a signal leaves',
    'exit',
    [
      [
        `      leaver.leave(this.signal.reason);`,
        `      if (!taken) leaver.leave(this.signal.reason);\n      taken = true;`,
      ],
      [`  handleEvent(): void {`, `  handleEvent(): void {\n    let taken = false;`],
    ],
    P[7],
  ),
  mutant(
    7,
    'those who left are not counted as sharing',
    'flight',
    [[`return this.joined > 1;`, `return this.aboard > 1;`]],
    P[7],
  ),
  mutant(
    8,
    'a signal read after everybody left does not doom',
    'flight',
    [[`const { signal } = stop;\n    this.doomIfEmpty();`, `const { signal } = stop;`]],
    P[8],
  ),
  mutant(8, 'the last one out does not doom', 'flights', [[`flight.doomIfEmpty();`, '']], P[8]),
  mutant(8, 'a doomed flight keeps its key', 'flights', [[DOOM_KEY, '']], P[8]),
  mutant(8, 'the signal aborts before the key is free', 'flights', [
    [`${DOOM_KEY}    ${DOOM_ABORT}`, `${DOOM_ABORT}\n    ${DOOM_KEY}`],
  ]),
  mutant(
    8,
    'a flight that nobody can stop is doomed',
    'flight',
    [[`else if (this.extras?.stop?.possible === true) this.host`, `else this.host`]],
    P[8],
  ),
  mutant(
    8,
    'a flight is doomed with somebody aboard',
    'flight',
    [[`if (this.aboard > 0 || this.settled) return;`, `if (this.left === 0 || this.settled) return;`]],
    P[8],
    P[7],
  ),
  mutant(
    8,
    'the signal of a settled flight aborts',
    'flight',
    [[`if (this.aboard > 0 || this.settled) return;`, `if (this.aboard > 0 && !this.settled) return;`]],
    P[8],
  ),
  mutant(9, 'callers who can leave get a copy of the error', 'callers', [
    [
      `else this.reject(outcome);`,
      `else this.reject(outcome instanceof Error ? new Error(outcome.message) : outcome);`,
    ],
  ]),
  mutant(9, 'callers who cannot leave get a copy of the error', 'flight', [
    [
      `else extras.reject?.(outcome);`,
      `else extras.reject?.(outcome instanceof Error ? new Error(outcome.message) : outcome);`,
    ],
  ]),
  mutant(10, 'the function runs in the context in which the group was made', 'flights', [
    [`import { AsyncResource }`, `import { AsyncLocalStorage, AsyncResource }`],
    [`readonly counters =`, `private readonly made = AsyncLocalStorage.snapshot();\n  readonly counters =`],
    [CALL, `endWith(flight, this.made(() => fn(flight)))`],
  ]),
  mutant(10, 'a caller is handed a thenable that calls back in the context of its end', 'flight', [
    [
      `return this.promise ?? this.defer();`,
      `const promise = this.promise ?? this.defer();\n    const waiting: [(v: unknown) => void, (e: unknown) => void][] = ((promise as any).waiting ??= []);\n    if (waiting.length === 0) promise.then((v) => waiting.forEach(([ok]) => ok(v)), (e) => waiting.forEach(([, no]) => no(e)));\n    return { then: (ok: any, no: any) => void waiting.push([ok, no]), catch: () => undefined } as never;`,
    ],
  ]),
  mutant(
    11,
    'a number is its digits',
    'key',
    [[`return SCALAR + encodeScalar(`, `return encodeScalar(`]],
    P[11],
    'core/key',
  ),
  mutant(11, 'a string may look like a number', 'key', [[` || first === SCALAR`, '']], P[11], 'core/key'),
  mutant(11, 'a string may look like an array', 'key', [[` || first === LIST`, '']], P[11], 'core/key'),
  mutant(11, 'a string may look like a decorated method', 'key', [[` || first === PREFIX ? `, ` ? `]], 'core/key'),
  mutant(11, 'quotes in strings are not escaped', 'key', [[`JSON.stringify(part)`, '`"${part}"`']], P[11], 'core/key'),
  mutant(11, 'a bigint is a number', 'key', [['return `${value}n`;', 'return `${value}`;']], P[11], 'core/key'),
  mutant(11, 'keys are compared as strings', 'roster', [
    [`this.keyed.set(flight.key, flight);`, `this.keyed.set(String(flight.key) as never, flight);`],
    [`const flight = this.keyed.get(key);`, `const flight = this.keyed.get(String(key) as never);`],
    [`this.keyed.delete(flight.key);`, `this.keyed.delete(String(flight.key) as never);`],
  ]),
  mutant(11, 'all groups share one map', 'roster', [
    [
      `private readonly keyed = new Map<K, FlightRecord<K>>();`,
      `private readonly keyed = ((globalThis as any).flights ??= new Map()) as Map<K, FlightRecord<K>>;`,
    ],
  ]),
  mutant(12, 'the listener stays', 'exit', [
    [`&& this.leavers.size === 0) this.signal.removeEventListener`, `&& false) this.signal.removeEventListener`],
  ]),
  mutant(12, 'each call has its listener', 'exit', [
    [
      `if (this.leavers.size === 0) this.signal.addEventListener('abort', this);`,
      `this.signal.addEventListener('abort', () => this.handleEvent());`,
    ],
  ]),
  mutant(12, 'events are made for nobody', 'announcer', [[START, START.replace(/if \(.*?\) /, '')]]),
  mutant(12, 'a key is described for an error that does not happen', 'group', [
    [`checkCallOptions(options, place);`, `place();\n    checkCallOptions(options, place);`],
  ]),
  mutant(12, 'a lingering result keeps the process alive', 'flight', [
    [`setTimeout(onOver, lingerMs).unref();`, `setTimeout(onOver, lingerMs);`],
  ]),
  mutant(12, 'the timer of a wait timeout stays', 'exit', [[`clearTimeout(this.timer);\n`, '']], P[12]),
  mutant(12, 'the timer of a flight timeout stays', 'flight', [[`clearTimeout(extras.timer);\n`, '']], P[12], P['6t']),
  mutant(12, 'an endless wait timeout sets a timer', 'exit', [
    [`waitTimeoutMs === Infinity ? undefined : setTimeout`, `waitTimeoutMs === undefined ? undefined : setTimeout`],
  ]),
  mutant(
    12,
    'those adrift are kept for ever',
    'roster',
    [[`if (!flight.keyed) this.adrift.delete(flight);\n`, '']],
    P[12],
    P[4],
  ),
  mutant(
    12,
    'the clock is read for every flight',
    'clock',
    [[`if (readWith === setImmediate) return time;\n`, '']],
    P[12],
    'core/clock',
  ),
  mutant(12, 'every flight leaves something behind', 'flights', [
    [
      `this.counters.flightStarted();\n    this.announcer.started(flight);`,
      `this.counters.flightStarted();\n    ((this as any).all ??= []).push(flight.key);\n    this.announcer.started(flight);`,
    ],
  ]),
  mutant(
    13,
    'undefined in a key passes for null',
    'key',
    [[`case 'undefined':\n`, `case 'undefined':\n      if (place !== undefined) return 'null';\n`]],
    P[13],
    'abuse/keys',
  ),
  mutant(13, 'NaN is a key', 'key', [[`if (Number.isNaN(value)) break;\n`, '']], P[13], 'abuse/keys'),
  mutant(
    13,
    'a hole shortens a key',
    'key',
    [[`const part = list[index];`, `if (!(index in list)) continue;\n    const part = list[index];`]],
    'abuse/keys',
  ),
  mutant(
    13,
    'an aborted signal lets the call through',
    'group',
    [[`if (options.signal?.aborted === true) throw options.signal.reason;`, '']],
    P[13],
    'abuse/signals',
  ),
  mutant(
    13,
    'an array is a key',
    'group',
    [[`if (!Array.isArray(key)) return;`, `if (key !== undefined) return;`]],
    P[13],
    'abuse/keys',
  ),
  mutant(
    'abuse',
    'unknown options are taken',
    'options',
    [[`if (known.includes(name)) continue;`, `if (name !== '') continue;`]],
    'abuse/options',
    P[13],
  ),
  mutant(
    'abuse',
    'a timer that is too long for Node',
    'options',
    [
      [
        `if (typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS) return;`,
        `if (typeof value === 'number' && value > 0) return;`,
      ],
    ],
    'abuse/options',
  ),
  mutant(
    'abuse',
    'an observer that throws disturbs callers',
    'observer',
    [[`  } catch (error) {\n`, `  } catch (error) {\n    throw error;\n`]],
    'abuse/signals',
  ),
  mutant(
    'core',
    'the clock stands still when fake timers are put away',
    'clock',
    [[`if (readWith === setImmediate) return time;`, `if (readWith !== undefined) return time;`]],
    'core/clock',
  ),
  mutant(
    'core',
    'the peak is not kept',
    'stats',
    [[`if (active > this.peak) this.peak = active;`, `this.peak = active;`]],
    'core/group.spec',
  ),
  mutant(
    'core',
    'a caller of a lingering result makes its leader share',
    'flight',
    [[`if (this.settled) return;\n`, '']],
    'core/group.spec',
  ),
  mutant(
    'core',
    'the key is freed a turn after everybody was answered',
    'flights',
    [
      [
        `if (flight.keyed && !lingers) this.roster.free(flight);`,
        `if (flight.keyed && !lingers) setImmediate(() => this.roster.free(flight));`,
      ],
    ],
    P[2],
    P[5],
  ),
];
