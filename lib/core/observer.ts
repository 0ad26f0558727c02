import { channel } from 'node:diagnostics_channel';
import { inspectThrown } from './inspect.js';
import type { Role } from './result.js';

/** What every event of a flight tells. */
export interface FlightEvent {
  /** The group's name. */
  readonly group: string;
  /** The key, as the group's `describeKey` prints it. */
  readonly describedKey: string;
}

/** An event about one flight, which `flight` stands for: the same object in all its events, for a `WeakMap`. */
export interface OneFlightEvent extends FlightEvent {
  readonly flight: object;
}

/** A flight starts: its function is called next. */
export interface StartEvent extends OneFlightEvent {
  /** Whether the call was let through alone, so that nobody can join it. */
  readonly alone: boolean;
}

/** A caller joined a flight, or a result that lingers. */
export interface JoinEvent extends OneFlightEvent {
  readonly lingering: boolean;
}

/** A caller left before the flight settled. */
export interface LeaveEvent extends OneFlightEvent {
  readonly role: Role;
  /** What the caller was rejected with. */
  readonly reason: unknown;
}

/** A flight settled. */
export interface SettleEvent extends OneFlightEvent {
  readonly ok: boolean;
  /** Present when it failed. */
  readonly error?: unknown;
  /** How many callers had joined it, those who left counted. */
  readonly callers: number;
  /** How many of them were still aboard: with none, nobody else has heard of the error. */
  readonly aboard: number;
  /** From the start, in milliseconds, as exact as a turn of the event loop. */
  readonly durationMs: number;
}

/** Somebody called `forget` for a key that led to something. */
export type ForgetEvent = FlightEvent;

/** A flight goes on although no key leads to it any more. */
export interface AdriftEvent extends OneFlightEvent {
  readonly reason: 'forgotten' | 'join-window' | 'abandoned' | 'flight-timeout' | 'closed';
}

/** A call was refused before it had boarded a flight. */
export interface RejectEvent extends FlightEvent {
  readonly error: unknown;
}

/** What every event of a flight that a fleet shares tells besides. */
export interface FleetEvent extends OneFlightEvent {
  /** The flight's name, the same in every process. */
  readonly fleet: string;
  /** The number of the flight that is led or followed: it rises from leader to leader. */
  readonly fence: bigint;
}

/** This process leads the flight: its function is called next. */
export type LeadEvent = FleetEvent;

/** This process follows a flight that another one leads. */
export type FollowEvent = FleetEvent;

/** This process has followed, and leads from now on, because the leader gave up or its lease is over. `lead` is next. */
export type TakeoverEvent = FleetEvent;

/** This process led, and has lost its lease: another one may lead. */
export type LostEvent = FleetEvent;

/** The engine of a fleet does not answer: told once, until it is back. */
export interface DegradeEvent {
  /** The engine's name. */
  readonly engine: string;
  /** What it was last heard to fail with. */
  readonly error: unknown;
  /** What becomes of flights meanwhile: they run once per process, or fail. */
  readonly whenDown: 'local' | 'fail';
}

/** The engine of a fleet answers again. */
export interface RestoreEvent {
  /** The engine's name. */
  readonly engine: string;
}

/** The events of a group and what they tell. */
export interface FlightEvents {
  start: StartEvent;
  join: JoinEvent;
  leave: LeaveEvent;
  settle: SettleEvent;
  forget: ForgetEvent;
  adrift: AdriftEvent;
  reject: RejectEvent;
  lead: LeadEvent;
  follow: FollowEvent;
  takeover: TakeoverEvent;
  lost: LostEvent;
  degrade: DegradeEvent;
  restore: RestoreEvent;
}

/**
 * Hears what happens in a group: a method for each event it wants. Called at once, in the midst of things: it should
 * be quick. What it throws is reported as a process warning and disturbs no caller.
 *
 * @example
 * ```ts
 * import { Group } from 'nestjs-singleflight/core';
 *
 * const products = new Group({
 *   name: 'products',
 *   observer: { settle: ({ describedKey, callers }) => console.log(`${describedKey}: ${callers} callers`) },
 * });
 * ```
 */
export type FlightObserver = { [E in keyof FlightEvents]?: (event: FlightEvents[E]) => void };

/** Where one kind of event goes. Who has an event to tell asks `hasSubscribers` before making it. */
export interface EventSink<E> {
  readonly hasSubscribers: boolean;
  publish(event: E): void;
}

/** Where each kind of event goes. */
export type EventSinks = { readonly [E in keyof FlightEvents]: EventSink<FlightEvents[E]> };

/** The names of the diagnostics channels begin with this: `nestjs-singleflight:flight:start`, and so on. */
const CHANNEL_PREFIX = 'nestjs-singleflight:flight:';

const channels: EventSinks = eachEvent((event) => channel(CHANNEL_PREFIX + event));

/** The sinks of an observer; without one, the process's diagnostics channels. */
export function sinksOf(observer: FlightObserver | undefined): EventSinks {
  if (observer === undefined) return channels;
  return eachEvent((event) => {
    const listener = observer[event] as ((event: unknown) => void) | undefined;
    if (listener === undefined) return NOBODY;
    return {
      hasSubscribers: true,
      publish: (told) => {
        tell(observer, listener, told);
      },
    };
  });
}

const NOBODY: EventSink<unknown> = { hasSubscribers: false, publish: () => undefined };

function tell(observer: FlightObserver, listener: (event: unknown) => void, told: unknown): void {
  try {
    listener.call(observer, told);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : `A flight observer threw ${inspectThrown(error)}.`);
  }
}

function eachEvent(sink: (event: keyof FlightEvents) => EventSink<unknown>): EventSinks {
  return {
    start: sink('start'),
    join: sink('join'),
    leave: sink('leave'),
    settle: sink('settle'),
    forget: sink('forget'),
    adrift: sink('adrift'),
    reject: sink('reject'),
    lead: sink('lead'),
    follow: sink('follow'),
    takeover: sink('takeover'),
    lost: sink('lost'),
    degrade: sink('degrade'),
    restore: sink('restore'),
  };
}
