/**
 * A caller's part in a flight: the leader's function runs, a follower joined a flight under way. In a fleet all who were
 * answered by another process are followers, also the first caller in their own.
 */
export type Role = 'leader' | 'follower';

/** How a call ended well. */
export interface Success<T> {
  readonly ok: true;
  /** What the function came back with. */
  readonly value: T;
  /**
   * Whether at least two callers had joined the flight when it settled, those who left counted. In a fleet that is what
   * this process knows: who runs the function is not told of callers elsewhere; who was answered by another process shares.
   */
  readonly shared: boolean;
  /** This caller's part in the flight. */
  readonly role: Role;
}

/** How a call failed. */
export interface Failure {
  readonly ok: false;
  /** What the function threw or rejected with, or the error or reason for which this caller alone was turned away. */
  readonly error: unknown;
  /** As {@link Success.shared}. */
  readonly shared: boolean;
  /** This caller's part in the flight; absent when the call was refused before it had boarded one. */
  readonly role?: Role;
}

/** How a call ended: Go's `singleflight.Result`. */
export type Result<T> = Success<T> | Failure;
