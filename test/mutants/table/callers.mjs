import { mutant, P } from './mutant.mjs';

const DEADLOCK = 'core/deadlock';
const OBSERVER = 'core/observer';
const silent = (event, text) => [`if (this.sinks.${event}.hasSubscribers)${text}`, text.trimStart()];

/** Of those aboard: how they leave, how they are answered, for whom they wait, who hears of them. @type {import('./mutant.mjs').Mutant[]} */
export const callers = [
  mutant(1, 'a follower says that it led', 'boarding', [
    [`return this.seat(found, 'follower', caller);`, `return this.seat(found, 'leader', caller);`],
  ]),
  mutant(7, 'the second caller of a signal takes the place of the first', 'small-set', [
    [`else (this.rest ??= new Set()).add(member);`, `else this.first = member;`],
  ]),
  mutant(7, 'only the first of the callers of a signal leaves', 'small-set', [
    [`    this.rest?.forEach((member) => {\n      visit(member);\n    });\n`, ''],
  ]),
  mutant(6, 'the first of the callers aboard cannot leave', 'small-set', [
    [`this.first = undefined;\n    return true;`, `this.first = undefined;\n    return false;`],
  ]),
  mutant(12, 'the listener goes with the first of the callers of a signal', 'small-set', [
    [` + (this.rest?.size ?? 0);`, `;`],
  ]),
  mutant(12, 'a signal has a listener for every call', 'exit', [
    [`let found = departures.get(signal);`, `let found: Departures | undefined;`],
  ]),
  mutant(12, 'the timer of a caller who left stays', 'callers', [
    [
      `this.over = true;\n    this.exit?.close(this);\n    this.reject(reason);`,
      `this.over = true;\n    this.reject(reason);`,
    ],
  ]),
  mutant(12, 'the listener of a caller who was answered stays', 'callers', [
    [`this.over = true;\n    this.exit?.close(this);\n    if (ok)`, `this.over = true;\n    if (ok)`],
  ]),
  mutant(
    'do',
    'who takes a lone caller’s lingering result does not share',
    'callers',
    [[`return this.part === 'follower' || this.flight.shared;`, `return this.flight.shared;`]],
    'core/group.spec',
  ),
  mutant(
    'do',
    'a follower can change what the other followers get',
    'flight',
    [
      [
        `Object.freeze({ ok: true, value, shared: true, role: 'follower' })`,
        `({ ok: true, value, shared: true, role: 'follower' })`,
      ],
    ],
    'core/group.spec',
  ),
  mutant(
    'do',
    'the leader is always told that it shared',
    'group',
    [[`value: value as T, shared: flight.shared, role`, `value: value as T, shared: true, role`]],
    'core/group.spec',
  ),
  mutant(
    'doChan',
    'a failure does not say in which role',
    'callers',
    [
      [
        `return { ok: false, error, shared: this.shared, role: this.part };`,
        `return { ok: false, error, shared: this.shared };`,
      ],
    ],
    P[9],
  ),
  mutant(
    'doChan',
    'who is abandoned is told nothing',
    'callers',
    [[`this.leave(new AbandonedError(this.place()));`, `this.leave(undefined);`]],
    'rx/do-chan',
  ),
  mutant(
    'doChan',
    'the first to unsubscribe leaves',
    'rx/do-chan',
    [[`if (--subscribers === 0) onLastGone();`, `if (--subscribers >= 0) onLastGone();`]],
    P[8],
    'rx/do-chan',
  ),
  mutant(
    'doChan',
    'the flight starts with the first subscription',
    'rx/do-chan',
    [
      [
        `return resultOf(() => boardToLeave(group, key, fn, options));`,
        `return new Observable((subscriber) => resultOf(() => boardToLeave(group, key, fn, options)).subscribe(subscriber));`,
      ],
    ],
    'rx/do-chan',
  ),

  ...[
    [
      'only whom a flight awaits itself is seen',
      'deadlock',
      [`seen.has(next) ? undefined : next.chainTo(target, seen)`, `next === target ? [next] : undefined`],
    ],
    [
      'a caller who can leave is refused',
      'boarding',
      [`if (!canLeave) flight.waiting?.refuseCircle();`, `flight.waiting?.refuseCircle();`],
    ],
    [
      'who waits for a flight that it could leave is taken to wait',
      'boarding',
      [`if (!canLeave) waiting.await();`, `waiting.await();`],
    ],
    [
      'who joined a flight that it could leave is taken to wait',
      'boarding',
      [`if (!canLeave) found.waiting?.await();`, `found.waiting?.await();`],
    ],
    ['nobody waits for what it starts', 'boarding', [`if (!canLeave) waiting.await();`, '']],
    ['nobody waits for what it joins', 'boarding', [`if (!canLeave) found.waiting?.await();`, '']],
    ['nobody waits for what a batch joins', 'boarding', [`if (!canLeave) flight.waiting?.await();`, '']],
    [
      'a function is not seen to be inside its flight',
      'flights',
      [`waiting === undefined ? fn : () => waiting.run(fn)`, `fn`],
    ],
    ['a flight that has settled is still waited for', 'flights', [`flight.waiting?.end();\n`, '']],
    [
      'they are not looked for in development',
      'group',
      [`options.detectDeadlocks ?? process.env.NODE_ENV !== 'production'`, `options.detectDeadlocks ?? false`],
    ],
    [
      'a group that looks for them takes the plain path',
      'group',
      [`isPlain(options) && !detectDeadlocks`, `isPlain(options)`],
    ],
    [
      'the keys of a batch wait each for itself',
      'boarding',
      [`for (const flight of flights) flight.waiting = waiting;`, `flights[0]!.waiting = waiting;`],
    ],
  ].map(([what, file, change]) => mutant('deadlock', what, file, [change], DEADLOCK)),
  mutant(
    'deadlock',
    'the chain leads on through a flight that is over',
    'deadlock',
    [
      [`for (const waiter of this.waiters) waiter.waitsFor.delete(this);`, ''],
      [`this.waitsFor.clear();`, ''],
    ],
    DEADLOCK,
  ),
  mutant(
    'deadlock',
    'outsideFlight is inside',
    'deadlock',
    [[`return around.run(undefined, fn);`, `return fn();`]],
    'core/context',
  ),

  mutant(6, 'a thenable ends its flight each time it calls back', 'adopt', [[`if (over) return;\n`, '']], P['6t']),
  mutant(
    6,
    'a thenable that throws after its value rejects',
    'adopt',
    [[`} catch (error) {\n    settle(false, error);`, `} catch (error) {\n    execution.end(false, error);`]],
    P['6t'],
  ),
  mutant(
    1,
    'a thenable that calls back at once is over before the next call',
    'adopt',
    [[`if (asking) void`, `if (asking && !ok) void`]],
    P['6t'],
  ),
  mutant(
    6,
    'a thenable that a thenable comes to later is a value',
    'adopt',
    [[`else if (ok) endWithValue(execution, outcome);`, `else if (ok) execution.end(true, outcome);`]],
    P['6t'],
  ),
  mutant(
    6,
    'a thenable that comes later to what cannot be read leaves its callers',
    'adopt',
    [[`  } catch (error) {\n    execution.end(false, error);\n  }\n}`, `  } catch {\n    // Nobody hears it.\n  }\n}`]],
    P['6t'],
  ),
  mutant(6, 'a subclass of Promise is handed out', 'adopt', [[` && value.constructor === Promise`, '']], P['6t']),
  mutant(
    6,
    'a function that is a thenable is a value',
    'adopt',
    [
      [
        `if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return`,
        `if (typeof value !== 'object' || value === null) return`,
      ],
    ],
    P['6t'],
  ),
  mutant(8, 'a signal that is read after a flight timeout does not abort', 'stop', [
    [`if (this.reason !== undefined) this.controller.abort(this.reason);`, ''],
  ]),
  mutant(8, 'a signal aborts with a reason of its own', 'stop', [
    [`this.controller?.abort(this.reason);`, `this.controller?.abort();`],
  ]),

  mutant(12, 'an event of who joins is made for nobody', 'announcer', [silent('join', ' {')]),
  mutant(12, 'an event of who leaves is made for nobody', 'announcer', [silent('leave', ' this.sinks.leave')]),
  mutant(12, 'an event of an end is made for nobody', 'announcer', [
    [`if (!this.sinks.settle.hasSubscribers) return;\n`, ''],
  ]),
  mutant(12, 'an event of a key that is forgotten is made for nobody', 'announcer', [
    silent('forget', ' this.sinks.forget'),
  ]),
  mutant(12, 'an event of what goes adrift is made for nobody', 'announcer', [silent('adrift', ' this.sinks.adrift')]),
  mutant(12, 'an event of a call that is refused is made for nobody', 'announcer', [
    silent('reject', ' this.sinks.reject'),
  ]),
  mutant(12, 'an event that the observer does not want is made', 'observer', [
    [
      `if (listener === undefined) return NOBODY;`,
      `if (listener === undefined) return { ...NOBODY, hasSubscribers: true };`,
    ],
  ]),
  ...[
    [
      'a falsy error is no error',
      'announcer',
      [`...(ok ? undefined : { error: outcome })`, `...(outcome && !ok ? { error: outcome } : undefined)`],
    ],
    ['who left has never joined', 'announcer', [`callers: flight.joined,`, `callers: flight.aboard,`]],
    [
      'whoever leaves led',
      'callers',
      [`this.host.left(this.flight, this.role, reason);`, `this.host.left(this.flight, 'leader', reason);`],
    ],
    [
      'a call that is refused is not told of',
      'group',
      [`} catch (error) {\n      this.#flights.announcer.refused(key, error);`, `} catch (error) {`],
    ],
    [
      'a flight starts after its function',
      'flights',
      [
        `this.announcer.started(flight);\n    this.execute(flight, fn);`,
        `this.execute(flight, fn);\n    this.announcer.started(flight);`,
      ],
    ],
    [
      'whoever wakes is told before the end is',
      'flights',
      [
        `this.announcer.settled(flight, ok, outcome, turnTime);`,
        `setImmediate(() => this.announcer.settled(flight, ok, outcome, turnTime));`,
      ],
    ],
    ['an observer’s methods have no `this`', 'observer', [`listener.call(observer, told);`, `listener(told);`]],
  ].map(([what, file, change]) => mutant('observer', what, file, [change], OBSERVER)),
];
