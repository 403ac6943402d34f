import { createHash } from 'node:crypto';

export const TABLES = ['meta', 'counter', 'events', 'event_ids', 'streams', 'removed', 'changes', 'documents'] as const;
/** The function that appends. */
export const APPEND = 'append_1';
export type Table = (typeof TABLES)[number];

/** How things are called in the database, quoted; schema and prefix have been checked to be plain words. */
export class Names {
  readonly schema: string;
  readonly prefix: string;
  /** The channel on which stores tell each other of commits. */
  readonly channel: string;
  /** The key of the lock under which tables are made. */
  readonly lockKey: string;
  /** Of the lock under which one process at a time brings indexes to what is wanted. */
  readonly builderKey: string;
  readonly append: string;

  constructor(schema: string, prefix: string) {
    this.schema = schema;
    this.prefix = prefix;
    const digest = createHash('sha256').update(`telltale\n${schema}\n${prefix}`).digest();
    this.channel = `telltale_${digest.toString('hex').slice(0, 32)}`;
    this.lockKey = String(digest.readBigInt64BE(0));
    this.builderKey = String(digest.readBigInt64BE(8));
    this.append = this.of(APPEND);
  }

  /** `"schema"."prefixname"` */
  of(name: Table | (string & {})): string {
    return this.inSchema(this.plain(name));
  }

  /** What the catalogue calls `plain`. */
  inSchema(plain: string): string {
    return `"${this.schema}"."${plain}"`;
  }

  /** Without quotes and schema, as the catalogue has it. */
  plain(name: Table | (string & {})): string {
    return `${this.prefix}${name}`;
  }

  /** The name of an index or constraint: those have no schema of their own. */
  quoted(name: string): string {
    return `"${this.prefix}${name}"`;
  }
}
