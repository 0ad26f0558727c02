import { createHash } from 'node:crypto';

/** Where the engine keeps its rows: one table, and what is named after it. */
export interface PostgresPlace {
  /** A schema that exists, of 1 to 31 letters, digits and `_`. Default: `'public'`. */
  schema?: string | undefined;
  /** The table, of 1 to 31 letters, digits and `_`; two that differ never meet. Default: `'singleflight'`. */
  table?: string | undefined;
}

/** The release of the functions: theirs change together with the engine's calls, and two releases run side by side. */
const RELEASE = 1;
const SAFE = /^[\w.-]{1,64}$/;
const ID_LENGTH = 24;

export type Verb = 'join' | 'renew' | 'complete' | 'abandon' | 'forget';

/** How everything in the database is called. */
export class Names {
  readonly schema: string;
  readonly table: string;
  readonly sequence: string;
  /** The channel of all processes. At most 63 bytes, which is what PostgreSQL takes. */
  readonly channel: string;
  /** Tells the advisory locks of this table from others. */
  readonly seed: bigint;
  private readonly plainTable: string;

  constructor({ schema = 'public', table = 'singleflight' }: PostgresPlace) {
    this.schema = schema;
    this.plainTable = table;
    this.table = this.named(table);
    this.sequence = this.named(`${table}_fence`);
    this.channel = `${schema}.${table}`;
    const digest = createHash('sha256').update(`nestjs-singleflight ${this.channel}`).digest();
    this.seed = digest.readBigInt64BE();
  }

  /** Something of that name beside the table. */
  named(name: string): string {
    return `"${this.schema}"."${name}"`;
  }

  index(name: string): string {
    return `"${this.plainTable}_${name}"`;
  }

  verb(verb: Verb): string {
    return this.named(`${this.plainTable}_${verb}_${RELEASE}`);
  }
}

/** The name of a flight or a token in the database: what the fleet makes of them, as it is. */
export function nameOf(id: string): string {
  return SAFE.test(id) ? id : createHash('sha256').update(id).digest('base64url').slice(0, ID_LENGTH);
}
