/** What a payload holds: a value, an error, something thrown that is no error, or that the result cannot be shared. */
export type EnvelopeKind = 'value' | 'error' | 'thrown' | 'unshareable';

export interface Envelope {
  readonly kind: EnvelopeKind;
  /** The name of the codec of `body`. */
  readonly codec: string;
  readonly body: Uint8Array;
}

const MAGIC = [0x53, 0x46] as const;
const VERSION = 1;
const KINDS: readonly EnvelopeKind[] = ['value', 'error', 'thrown', 'unshareable'];
const HEADER_BYTES = 5;

/** Two bytes that say what it is, version, kind, the codec's name with its length, then what the codec has made. */
export function sealed({ kind, codec, body }: Envelope): Uint8Array {
  const name = new TextEncoder().encode(codec);
  const bytes = new Uint8Array(HEADER_BYTES + name.length + body.length);
  bytes.set([...MAGIC, VERSION, KINDS.indexOf(kind), name.length]);
  bytes.set(name, HEADER_BYTES);
  bytes.set(body, HEADER_BYTES + name.length);
  return bytes;
}

/**
 * What is in a payload. It comes from outside and may be anything; one of a newer version is as good as none: whoever
 * cannot read it runs the function.
 *
 * @throws TypeError that says why it cannot be read
 */
export function opened(bytes: Uint8Array): Envelope {
  const [first, second, version = 0, kindAt = 0, nameLength = 0] = bytes;
  if (bytes.length < HEADER_BYTES || first !== MAGIC[0] || second !== MAGIC[1]) {
    throw new TypeError('it is no envelope of this library');
  }
  if (version !== VERSION) throw new TypeError(`it is of version ${version}, and this is version ${VERSION}`);
  const kind = KINDS[kindAt];
  if (kind === undefined) throw new TypeError(`it is of the unknown kind ${kindAt}`);
  if (bytes.length < HEADER_BYTES + nameLength) throw new TypeError('it is cut off');
  const codec = new TextDecoder().decode(bytes.subarray(HEADER_BYTES, HEADER_BYTES + nameLength));
  return { kind, codec, body: bytes.subarray(HEADER_BYTES + nameLength) };
}
