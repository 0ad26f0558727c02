/**
 * One place of the library, broken: the specs named must fail.
 *
 * @typedef {object} Mutant
 * @property {number | string} promise which promise it breaks, or whose documented behaviour
 * @property {string} what what is wrong with it, in words
 * @property {string} file the file of lib that is changed
 * @property {[search: string, replacement: string][]} changes each search string occurs exactly once
 * @property {string[]} specs the specs, each of which must fail
 */

/** The spec of each promise. */
export const P = {
  1: 'promises/01-one-at-a-time',
  2: 'promises/02-fresh',
  3: 'promises/03-registered-first',
  4: 'promises/04-removed-by-identity',
  5: 'promises/05-free-before-anybody-wakes',
  6: 'promises/06-everybody-settles.spec',
  '6t': 'promises/06-everybody-settles.thenables',
  7: 'promises/07-nobody-is-special',
  8: 'promises/08-the-last-one-out',
  9: 'promises/09-errors-travel-as-they-are',
  10: 'promises/10-own-context',
  11: 'promises/11-keys-never-collide',
  12: 'promises/12-idle-costs-nothing',
  13: 'promises/13-fails-closed',
};

/**
 * Of a file of `lib/core`, unless it names another folder; without specs, the promise's own is the one that must fail.
 *
 * @returns {Mutant}
 */
export const mutant = (promise, what, file, changes, ...specs) => ({
  promise,
  what,
  file: `${file.includes('/') ? file : `core/${file}`}.ts`,
  changes,
  specs: specs.length > 0 ? specs : [P[promise]],
});
