import type { AnswerLog, Log } from './log.js';
import { KEYS, type Answer } from './steps.js';

/** What every caller was told, in the words of the model. */
export function answersOf(log: Log): Map<string, Answer> {
  return new Map(
    log.callers.map(({ path, answers: [answer] }) => [path, answer === undefined ? 'pending' : answerOf(answer)]),
  );
}

function answerOf(answer: AnswerLog): Answer {
  if (!answer.ok) {
    const { error } = answer;
    return { error: typeof error === 'object' && error !== null ? (error as Error).name : String(error) };
  }
  const { value } = answer;
  return {
    value: value instanceof Map ? [...value].map(([key, loaded]) => [KEYS.indexOf(key), loaded as unknown]) : value,
  };
}
