import { expect } from '@jest/globals';
import type { SingleFlightError } from '../../lib/core/errors.js';

type ErrorClass = abstract new (...facts: never[]) => SingleFlightError;

/** All that an error says: its class, code, whole message up to the code at its end, and where it happened. */
export interface Refusal {
  readonly type: ErrorClass;
  readonly code: string;
  readonly message: string;
  readonly group?: string;
  readonly describedKey?: string;
}

export function expectRefusal(error: unknown, { type, ...facts }: Refusal): void {
  expect(error).toBeInstanceOf(type);
  expect(error).toBeInstanceOf(Error);
  const { name, message, code, group, describedKey } = error as SingleFlightError;
  expect({ name, message, code, group, describedKey }).toEqual({
    name: type.name,
    ...facts,
    message: withCode(facts.code, facts.message),
  });
}

/** A message as the errors of the library end it: with their code, which leads to the page about it. */
export function withCode(code: string, message: string): string {
  return `${message} [${code}]`;
}

/** What a function throws, or a promise rejects with. */
export async function errorOf(attempt: () => unknown): Promise<unknown> {
  try {
    await attempt();
  } catch (error) {
    return error;
  }
  throw new Error('Nothing was refused.');
}
