import { mutant, P } from './mutant.mjs';

const BOUNDS = 'core/bounds';
const CLOSE = 'core/close';
const GROUP = 'core/group.spec';
const ADMIT = `if (mode.alone !== true) this.admitFlight(key);`;
const LED = `return this.seat(flight, 'leader', caller);`;

/** Of the bounds, of `close` and of what a group tells. @type {import('./mutant.mjs').Mutant[]} */
export const groups = [
  ...[
    [
      'what is adrift is no flight',
      'boarding',
      [`this.flights.counters.active < this.maxFlights`, `this.flights.roster.size < this.maxFlights`],
    ],
    ['one flight too many', 'boarding', [`.active < this.maxFlights`, `.active <= this.maxFlights`]],
    ['one follower too few', 'boarding', [`flight.aboard > this.maxFollowers`, `flight.aboard >= this.maxFollowers`]],
    ['who left still follows', 'boarding', [`flight.aboard > this.maxFollowers`, `flight.joined > this.maxFollowers`]],
    ['a result that lingers has followers', 'boarding', [`if (flight.settled) return;\n`, '']],
    [
      'a bounded group takes the plain path',
      'group',
      [`return maxFlights === Infinity && maxFollowers === Infinity && `, `return `],
    ],
  ].map(([what, file, change]) => mutant('bounds', what, file, [change], BOUNDS)),
  mutant(
    'bounds',
    'the function has run before its flight is refused',
    'boarding',
    [
      [ADMIT, ''],
      [LED, `this.admitFlight(key);\n    ${LED}`],
    ],
    BOUNDS,
  ),
  ...[
    ['flights start', 'boarding', [`if (this.flights.closed) throw new GroupClosedError(this.place(key));`, '']],
    [
      'flights under way cannot be joined',
      'boarding',
      [
        `this.admitFollower(found, canLeave);`,
        `this.admitFollower(found, canLeave);\n    if (this.flights.closed) throw new GroupClosedError(this.place(key));`,
      ],
    ],
    ['flights start on the plain path', 'flights', [`this.plain = false;\n`, '']],
    ['results linger on', 'flights', [`this.roster.dropLingering();\n`, '']],
    ['there is no grace', 'flights', [`if (this.counters.active > 0) await this.idleWithin(graceMs);`, '']],
    ['the timer of the grace stays', 'flights', [`clearTimeout(timer);\n        this.onIdle`, `this.onIdle`]],
    ['it waits for the first end only', 'flights', [`if (this.counters.active === 0) over();`, `over();`]],
    [
      'it does not hear of the end of a batch',
      'flights',
      [
        `else this.ended(flight, true, one.value);\n    });\n    this.onIdle?.();`,
        `else this.ended(flight, true, one.value);\n    });`,
      ],
    ],
    [
      'a signal aborts before all callers are answered',
      'flights',
      [
        `this.settle(flight, false, error);\n    }`,
        `this.settle(flight, false, error);\n      flight.abort(error);\n    }`,
      ],
    ],
    ['what was cut short is not adrift', 'flights', [`if (flight.keyed) this.roster.setAdrift(flight, 'closed');`, '']],
    [
      'what is adrift is not cut short',
      'roster',
      [
        `[...this.adrift, ...this.keyed.values()].filter((flight) => !flight.settled)`,
        `[...this.keyed.values()].filter((flight) => !flight.settled)`,
      ],
    ],
    ['the functions are not told', 'flights', [`for (const { flight, error } of cut) flight.abort(error);`, '']],
    ['closing again begins again', 'flights', [`this.closing ??= this.drain`, `this.closing = this.drain`]],
    ['a result that comes meanwhile lingers', 'flights', [` && !this.closed && `, ` && `]],
  ].map(([what, file, change]) => mutant('close', `after close: ${what}`, file, [change], CLOSE)),

  mutant(2, 'a flight past its join window lingers', 'flights', [[` && !this.roster.isOverdue(flight);`, `;`]], P[2]),
  mutant(2, 'the clock stands still', 'clock', [[`setImmediate(turnOver);`, '']], P[2], 'core/clock'),
  mutant(
    2,
    'one past its join window keeps its key until somebody asks for it',
    'roster',
    [[`if (flight.joinableUntil !== undefined) this.expiring = true;`, '']],
    GROUP,
  ),
  mutant(
    2,
    'a lingering result whose timer is late keeps its key until somebody asks for it',
    'roster',
    [[`this.expiring = true;\n    flight.linger`, `flight.linger`]],
    GROUP,
  ),
  mutant(
    10,
    "a function runs in its caller's context though the group's was asked for",
    'flights',
    [[`if (this.context === undefined) return watched();`, `if (this.context !== undefined) return watched();`]],
    'core/context',
  ),
  mutant(
    10,
    "a group's functions run in the context of the call",
    'flights',
    [[`this.context.runInAsyncScope(() => new AsyncResource('SingleFlight'))`, `new AsyncResource('SingleFlight')`]],
    'core/context',
  ),
  mutant(
    10,
    'a group with a context of its own takes the plain path',
    'group',
    [[` && context !== 'group';`, `;`]],
    'core/context',
  ),
  mutant(
    12,
    'a lingering result that is overdue goes adrift',
    'roster',
    [
      [
        `if (flight.settled) this.free(flight);\n    else this.setAdrift(flight, 'join-window');`,
        `this.setAdrift(flight, 'join-window');`,
      ],
    ],
    GROUP,
  ),
  mutant(
    12,
    'a lingering result that is forgotten goes adrift',
    'roster',
    [
      [
        `if (flight.settled) this.free(flight);\n    else this.setAdrift(flight, 'forgotten');`,
        `this.setAdrift(flight, 'forgotten');`,
      ],
    ],
    'core/observer',
  ),
  ...[
    [
      'a result that lingers',
      'roster',
      [`.filter((flight) => !flight.ended && wanted(flight.key))`, `.filter((flight) => wanted(flight.key))`],
    ],
    ['no order', 'roster', [`.sort((a, b) => a.startedAt - b.startedAt)\n`, '']],
    ['the youngest first', 'roster', [`a.startedAt - b.startedAt`, `b.startedAt - a.startedAt`]],
    ['who was answered as aboard', 'roster', [`callers: flight.settled ? 0 : flight.aboard`, `callers: flight.aboard`]],
    [
      'nothing that is adrift',
      'roster',
      [`return [...this.adrift, ...this.keyed.values()]\n`, `return [...this.keyed.values()]\n`],
    ],
  ].map(([what, file, change]) => mutant('inFlight', `it lists ${what}`, file, [change], GROUP)),
  mutant(
    'stats',
    'an end is not counted',
    'flights',
    [[`this.counters.ended++;\n    this.onIdle`, `this.onIdle`]],
    GROUP,
  ),
  mutant(
    'stats',
    'who leaves is not counted',
    'boarding',
    [[`this.flights.counters.left++;\n    this.flights.disembarked`, `this.flights.disembarked`]],
    GROUP,
  ),
];
