import { TelltaleError, expected, isTelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import { checkId } from '../event/identity.ts';
import { Serial } from '../serial.ts';
import type { Fence, PutOptions, StoredDocument } from './port.ts';

/** The collection in which leases live, see leases.ts. */
export const LEASES = 'leases';
/** Where persisted entities stand: `{ position }`, or `{ entity, position }` under another key. */
export const SNAPSHOTS = 'snapshots';

const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** What a store does for its documents. */
export interface DocumentPort {
  read(collection: string, key: string): Promise<StoredDocument | undefined>;
  /** Compares and sets in one step; answers the new etag, `undefined` when the comparison failed. */
  write(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
    named: number,
    fence: Fence | undefined,
  ): Promise<string | undefined>;
  list(collection: string): Promise<readonly StoredDocument[]>;
  erase(collection: string, key: string, etag: string | undefined): Promise<boolean>;
  /** Resolves when the log is synced up to a position. */
  syncTo(position: number): Promise<void>;
}

/**
 * Checks in front of a store's documents. Changes run one after another, so that a store with one writer may read,
 * compare and write without a lock of its own; a fence is checked in the same turn. A store that others write as well checks it again where it
 * writes.
 */
export class Documents {
  readonly #port: DocumentPort;
  readonly #turns = new Serial();

  constructor(port: DocumentPort) {
    this.#port = port;
  }

  read(collection: string, key: string): Promise<StoredDocument | undefined> {
    return this.#port.read(checkName('collection', collection), checkName('key', key));
  }

  list(collection: string): Promise<readonly StoredDocument[]> {
    return this.#port.list(checkName('collection', collection));
  }

  put(collection: string, key: string, value: unknown, options: PutOptions): Promise<string> {
    checkName('collection', collection);
    checkName('key', key);
    const admitted = admit(value, 'payload', MAX_DOCUMENT_BYTES).value;
    return this.inTurn(async () => {
      await this.checkFence(options.fence);
      // First the log, then what points into it: a document must never name a position that a crash takes back.
      if (options.position !== undefined) await this.#port.syncTo(options.position);
      const { etag: expectation, position = 0, fence } = options;
      const etag = await this.#port.write(collection, key, admitted, expectation, position, fence);
      if (etag === undefined) throw await this.#conflict(collection, key, options.etag);
      return etag;
    });
  }

  erase(collection: string, key: string, etag: string | undefined): Promise<boolean> {
    checkName('collection', collection);
    checkName('key', key);
    return this.inTurn(() => this.#port.erase(collection, key, etag));
  }

  /** Throws `LEASE_LOST` unless the lease still has the fence's epoch. */
  async checkFence(fence: Fence | undefined): Promise<void> {
    if (fence === undefined) return;
    mustHold(fence, await this.#port.read(LEASES, fence.lease));
  }

  /** Runs `change` after all changes before it. */
  inTurn<T>(change: () => Promise<T>): Promise<T> {
    return this.#turns.run(change);
  }

  async #conflict(collection: string, key: string, etag: string | null | undefined): Promise<TelltaleError> {
    const actual = (await this.#port.read(collection, key))?.etag ?? null;
    const expectation = etag === null ? 'absent' : `at etag ${etag}`;
    return expected('DOCUMENT_CONFLICT', `document \`${collection}/${key}\``, expectation, actual, {
      details: { collection, key, expected: etag, actual },
    });
  }
}

/** Throws `LEASE_LOST` unless the lease's document still has the fence's epoch. */
export function mustHold(fence: Fence, document: StoredDocument | undefined): void {
  const actual = (document?.value as { readonly epoch?: unknown } | undefined)?.epoch;
  if (actual === fence.epoch) return;
  throw expected('LEASE_LOST', `lease \`${fence.lease}\``, `at epoch ${fence.epoch}`, actual, {
    details: { lease: fence.lease, expected: fence.epoch, actual },
  });
}

/**
 * The documents of rows. Where one is damaged, the `STORE_CORRUPT` has the keys of all as `details.keys`, so that the
 * others can be read one by one.
 */
export function toDocuments<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  toDocument: (row: Row) => StoredDocument,
): StoredDocument[] {
  try {
    return rows.map(toDocument);
  } catch (error) {
    if (!isTelltaleError(error, 'STORE_CORRUPT')) throw error;
    const details = { ...error.details, keys: rows.map(keyOf) };
    throw new TelltaleError(error.code, error.message, { cause: error, details });
  }
}

function checkName(what: string, name: unknown): string {
  try {
    return checkId(name);
  } catch {
    throw expected('INVALID_OPTION', `the ${what} of a document`, 'a well-formed string of 1 to 256 bytes', name);
  }
}
