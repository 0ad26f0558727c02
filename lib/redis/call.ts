/** What a script comes back with. */
export type Answer = readonly (Buffer | number | null | undefined)[];

/** The keys and the channels under a prefix. */
export class Keys {
  /** What an inbox's channel begins with: its name follows. */
  readonly channel: string;

  constructor(readonly prefix: string) {
    this.channel = `${prefix}:inbox:`;
  }

  /** Those of one id, all under one hash tag. */
  of(name: string, ...parts: readonly string[]): string[] {
    return parts.map((part) => `${this.prefix}:{${name}}:${part}`);
  }
}

export function flag(value: boolean): string {
  return value ? '1' : '0';
}

/** A duration that Redis takes: whole milliseconds, one at least. */
export function whole(ms: number): string {
  return String(Math.max(1, Math.ceil(ms)));
}
