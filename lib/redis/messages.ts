import type { Fence } from '../fleet/engine.js';
import type { Seal } from './seal.js';

/** What came into an inbox. */
export type Message =
  | { readonly kind: 'check' }
  /** `payload` undefined: to be fetched. */
  | { readonly kind: 'settled'; readonly name: string; readonly fence: Fence; readonly payload: Uint8Array | undefined }
  | { readonly kind: 'abandoned'; readonly name: string; readonly fence: Fence }
  | { readonly kind: 'forgotten'; readonly name: string; readonly fence: Fence };

const BAR = 0x7c;
const LONGEST_HEAD = 160;
const HEAD = /^([spaf])([\w-]{1,64})\|([1-9]\d{0,15})\|([\w-]{0,22})$/;

/**
 * Reads a message strictly: whoever may publish can send anything. Undefined for what is none of ours, is cut off, or
 * has not the seal that it needs.
 */
export function parse(message: Uint8Array, seal: Seal): Message | undefined {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (bytes.length === 1 && bytes[0] === 'c'.charCodeAt(0)) return { kind: 'check' };
  const end = endOfHead(bytes);
  const head = end < 0 ? null : HEAD.exec(bytes.toString('latin1', 0, end));
  if (head === null) return undefined;
  const [, kind, name = '', digits = '', given = ''] = head;
  const fence = BigInt(digits);
  const body = bytes.subarray(end + 1);
  switch (kind) {
    case 's':
      return seal.fits(given, 'settled', name, fence, body)
        ? { kind: 'settled', name, fence, payload: body }
        : undefined;
    case 'p':
      // It needs no seal: what is fetched then does.
      return body.length === 0 ? { kind: 'settled', name, fence, payload: undefined } : undefined;
    case 'a':
      return seal.fits(given, 'abandoned', name, '', body) ? { kind: 'abandoned', name, fence } : undefined;
    default:
      return body.length === 0 && seal.fits(given, 'forgotten', name, '', '')
        ? { kind: 'forgotten', name, fence }
        : undefined;
  }
}

function endOfHead(bytes: Buffer): number {
  const name = bytes.indexOf(BAR);
  const fence = name < 0 || name > LONGEST_HEAD ? -1 : bytes.indexOf(BAR, name + 1);
  const end = fence < 0 || fence > LONGEST_HEAD ? -1 : bytes.indexOf(BAR, fence + 1);
  return end > LONGEST_HEAD ? -1 : end;
}
