import Table from 'cli-table3';
import { BreakdownError, PRODUCT } from '../breakdown/breakdown.js';
import { Clients, type Answer } from '../breakdown/volley.js';
import type { MemberProcess } from './member-process.js';

/** How a breakdown went for all processes together. */
export interface FleetOutcome {
  readonly play: string;
  readonly queries: number;
  readonly answered: number;
  /** Whose process was killed while they waited. */
  readonly cutOff: number;
  readonly allMs: number;
}

/** A hot key expires in every process at once: without a fleet, with one, and with one whose leader is killed. */
export async function playFleet(
  members: readonly MemberProcess[],
  requests: number,
  signal: AbortSignal,
): Promise<FleetOutcome[]> {
  const without = await play('without a fleet', members, requests, 'alone', signal);
  const together = await play('with a fleet', members, requests, 'together', signal);
  let killed = false;
  for (const member of members) {
    member.onQuery = () => {
      if (killed) return;
      killed = true;
      member.kill();
    };
  }
  return [without, together, await play('with a fleet, its leader killed', members, requests, 'together', signal)];
}

async function play(
  name: string,
  members: readonly MemberProcess[],
  requests: number,
  route: string,
  signal: AbortSignal,
): Promise<FleetOutcome> {
  await Promise.all(members.map((member) => member.expire()));
  const started = performance.now();
  const volleys = await Promise.all(
    members.map((member) => askAll(`${member.url}/products/${PRODUCT}/${route}`, requests, signal)),
  );
  const allMs = performance.now() - started;
  const settled = volleys.flat();
  const answers = settled.filter((answer) => answer !== undefined);
  const cutOff = members.filter((member) => !member.alive).length * requests;
  if (settled.length - answers.length !== cutOff) {
    throw new BreakdownError(`${settled.length - answers.length - cutOff} requests to living processes failed.`);
  }
  assertOnePage(answers);
  const queries = members.reduce((sum, member) => sum + member.queries, 0);
  return { play: name, queries, answered: answers.length, cutOff, allMs };
}

/** Undefined for each request whose process was gone before it had answered. */
async function askAll(url: string, requests: number, signal: AbortSignal): Promise<(Answer | undefined)[]> {
  const clients = new Clients(requests, signal);
  return clients.askWhoeverAnswers(url).finally(clients.leave);
}

function assertOnePage(answers: readonly Answer[]): void {
  const failed = answers.find(({ status }) => status !== 200);
  if (failed) throw new BreakdownError(`A request was answered with status ${failed.status}: ${failed.body}`);
  const pages = new Set(answers.map(({ body }) => body)).size;
  if (pages > 1) throw new BreakdownError(`The answers hold ${pages} different pages.`);
}

export function fleetTableOf(outcomes: readonly FleetOutcome[]): string {
  const table = new Table({
    head: ['play', 'database queries', 'answered', 'cut off with their process', 'all answered'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'mid-mid': '', 'left-mid': '', 'right-mid': '' },
  });
  for (const { play: name, queries, answered, cutOff, allMs } of outcomes) {
    table.push([name, queries, answered, cutOff, `${Math.round(allMs).toLocaleString('en')} ms`]);
  }
  return table.toString();
}
