import type { Fence } from '../fleet/engine.js';

/** What a notification hints at. */
export type Message =
  | { readonly kind: 'check'; readonly nonce: string }
  | { readonly kind: 'settled' | 'abandoned' | 'forgotten'; readonly name: string; readonly fence: Fence };

const CHECK = /^c\|([\w-]{1,64})$/;
const HINT = /^([saf])\|([\w.-]{1,64})\|([1-9]\d{0,18})$/;
const KINDS = { s: 'settled', a: 'abandoned', f: 'forgotten' } as const;

/** Reads one strictly: whoever is connected to the database can notify. Undefined for what is none of ours. */
export function parse(payload: string): Message | undefined {
  const nonce = CHECK.exec(payload)?.[1];
  if (nonce !== undefined) return { kind: 'check', nonce };
  const [, kind, name = '', digits = ''] = HINT.exec(payload) ?? [];
  return kind === undefined ? undefined : { kind: KINDS[kind as keyof typeof KINDS], name, fence: BigInt(digits) };
}
