import { mutant } from './mutant.mjs';

const ISOLATE = 'core/isolate';
const COPY = 'core/copy';
const APART = `if (ok && handOut !== undefined && (lingers || flight.aboard > 1)) {`;

/** Of `isolate`: who gets a copy, and what can be copied. */
const handingOut = [
  ['a lone caller gets a copy', 'flights', [APART, `if (ok && handOut !== undefined) {`]],
  ['who left makes the last one’s result a copy', 'flights', [APART, APART.replace('aboard', 'joined')]],
  ['a result that lingers is the lone caller’s original', 'flights', [APART, APART.replace('lingers || ', '')]],
  [
    'the first caller gets the original',
    'isolate',
    [`[unknown] | undefined = [copy()]`, `[unknown] | undefined = [value]`],
  ],
  ['all get one copy', 'isolate', [`ready = undefined;`, '']],
  [
    'the original is frozen',
    'isolate',
    [`const frozen = shareBy((part) => frozenCopy(part, place), value);`, `const frozen = Object.freeze(value);`],
  ],
  [
    'everybody gets a frozen copy of its own',
    'isolate',
    [`return () => frozen;`, `return () => frozenCopy(value, place);`],
  ],
  [
    'copies are made after somebody has woken',
    'flight',
    [`caller.settle(true, share());`, `caller.settle(true, Promise.resolve().then(share));`],
  ],
  [
    'what cannot be copied is shared',
    'flights',
    [`this.settleAs(flight, false, error);\n      return;`, `this.settleAs(flight, true, value);\n      return;`],
  ],
  [
    'what cannot be copied lingers',
    'flights',
    [`if (flight.keyed) this.roster.free(flight);\n      this.settleAs`, `this.settleAs`],
  ],
  ['who comes late gets the original', 'flight', [`return share === undefined`, `return share !== null`]],
  [
    'a call without options gets the original',
    'boarding',
    [`(!canLeave && flight.limits.handOut === undefined)`, `!canLeave`],
  ],
  ['a group that isolates takes the plain path', 'group', [` && isolate === 'none' && `, ` && `]],
].map(([what, file, change]) => mutant('isolate', what, file, [change], ISOLATE));

const copying = [
  ['a circle does not end', [`this.copies.get(value) ?? this.copyObject(value)`, `this.copyObject(value)`]],
  [
    'a class loses its prototype',
    [`return Object.getPrototypeOf(prototype) === null && isOwnClass(prototype, 'Object');`, `return true;`],
  ],
  [
    'a class of a user passes for one of the language by its name',
    [`constructor.name === name &&`, `constructor.name === name ||`],
  ],
  [
    'a subclass of a class that is carried is carried',
    [
      `CARRIED.has(name) && isOwnClass(prototype, name)`,
      `value instanceof Date || (CARRIED.has(name) && isOwnClass(prototype, name))`,
    ],
  ],
  [
    'a subclass of Array is an array',
    [`if (Object.getPrototypeOf(list) !== null && classNameOf(list) !== 'Array') {`, `if (list === undefined) {`],
  ],
  ['a hole is undefined', [`list.forEach((item, index) => {`, `Array.from(list).forEach((item, index) => {`]],
  ['`__proto__` is assigned', [`if (key in copy) {`, `if (key === '') {`]],
  ['an object without a prototype gets one', [`(prototype === null ? Object.create(null) : {})`, `{}`]],
  [
    'only the outermost is frozen',
    [`return this.isolate === 'freeze' ?`, `return this.isolate === 'freeze' && this.path.length === 0 ?`],
  ],
  [
    'a Buffer shares its bytes',
    [`Buffer.from(value as Buffer))`, `Buffer.from(value.buffer, value.byteOffset, value.length))`],
  ],
  ['the keys of a Map are not copied', [`copy.set(this.copyPart(MAP_KEY, key), `, `copy.set(key, `]],
  ['the items of a Set are not copied', [`copy.add(this.copyPart(SET_ITEM, item))`, `copy.add(item)`]],
  ['a Map passes for frozen', [`if (this.isolate === 'freeze') throw`, `if (value === undefined) throw`]],
  [
    'a function is carried',
    [`if (typeof value === 'function' || typeof value === 'symbol') {`, `if (typeof value === 'symbol') {`],
  ],
  ['the way to what cannot be copied is wrong', [`this.path.pop();\n`, '']],
].map(([what, change]) => mutant('isolate', what, 'copy', [change], COPY));

/** @type {import('./mutant.mjs').Mutant[]} */
export const isolation = [...handingOut, ...copying];
