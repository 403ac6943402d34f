import { createHash } from 'node:crypto';

export const TABLES = ['meta', 'counter', 'events', 'event_ids', 'streams', 'removed', 'changes', 'documents'] as const;
/** Beside them, for `search`. They are a log's only where its events have the triggers: see `hasSearch`. */
export const SEARCH_TABLES = ['search_blocks', 'search'] as const;
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
  readonly indexerKey: string;
  /** Of that under which blocks of texts are written and forgotten; appends do not wait for it. */
  readonly searchKey: string;
  /** Whoever has this lock reads what is to be written into blocks; the others leave it to him. */
  readonly searcherKey: string;
  readonly append: string;

  constructor(schema: string, prefix: string) {
    this.schema = schema;
    this.prefix = prefix;
    const digest = createHash('sha256').update(`telltale\n${schema}\n${prefix}`).digest();
    this.channel = `telltale_${digest.toString('hex').slice(0, 32)}`;
    const key = digest.readBigInt64BE(0);
    this.lockKey = String(key);
    this.indexerKey = String(digest.readBigInt64BE(8));
    // The function that forgets has it in its text.
    this.searchKey = String(key ^ 1n);
    this.searcherKey = String(key ^ 2n);
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
