import { randomUUID } from 'node:crypto';
import { LEASES, TelltaleError, mustHold, toDocuments } from '../../lib/plugin.ts';
import type { Fence, StoredDocument } from '../../lib/plugin.ts';
import type { Session } from './connections.ts';
import type { Names } from './names.ts';

/** Documents as rows: exact JSON, and an etag that each put makes anew. */
export class DocumentTable {
  readonly #session: Pick<Session, 'query'>;
  readonly #table: string;

  constructor(session: Pick<Session, 'query'>, names: Names) {
    this.#session = session;
    this.#table = names.of('documents');
  }

  async get(collection: string, key: string): Promise<StoredDocument | undefined> {
    const { rows } = await this.#session.query(
      `SELECT key, value, etag FROM ${this.#table} WHERE collection = $1 AND key = $2`,
      [collection, key],
    );
    return rows.map(toDocument)[0];
  }

  async list(collection: string): Promise<readonly StoredDocument[]> {
    const { rows } = await this.#session.query(
      `SELECT key, value, etag FROM ${this.#table} WHERE collection = $1 ORDER BY key`,
      [collection],
    );
    return toDocuments(rows, ([key]) => key!, toDocument);
  }

  /** Answers the new etag; `undefined` when the comparison failed. */
  async put(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
  ): Promise<string | undefined> {
    const next = randomUUID();
    const values = [collection, key, JSON.stringify(value), next];
    const insert = `INSERT INTO ${this.#table} (collection, key, value, etag) VALUES ($1, $2, $3, $4)`;
    const { rowCount } =
      typeof etag === 'string'
        ? await this.#session.query(
            `UPDATE ${this.#table} SET value = $3, etag = $4 WHERE collection = $1 AND key = $2 AND etag = $5`,
            [...values, etag],
          )
        : await this.#session.query(
            etag === null
              ? `${insert} ON CONFLICT DO NOTHING`
              : `${insert} ON CONFLICT (collection, key) DO UPDATE SET value = EXCLUDED.value, etag = EXCLUDED.etag`,
            values,
          );
    return rowCount === 1 ? next : undefined;
  }

  async remove(collection: string, key: string, etag: string | undefined): Promise<boolean> {
    const { rowCount } = await this.#session.query(
      `DELETE FROM ${this.#table} WHERE collection = $1 AND key = $2 AND ($3::text IS NULL OR etag = $3)`,
      [collection, key, etag ?? null],
    );
    return rowCount === 1;
  }

  async collections(): Promise<readonly string[]> {
    const { rows } = await this.#session.query(`SELECT DISTINCT collection FROM ${this.#table} ORDER BY collection`);
    return rows.map(([collection]) => collection!);
  }
}

/** Throws `LEASE_LOST` where another process has the lease; nobody takes it before the session's transaction has ended. */
export async function checkFence(
  session: Pick<Session, 'query'>,
  names: Names,
  fence: Fence | undefined,
): Promise<void> {
  if (fence === undefined) return;
  const { rows } = await session.query(
    `SELECT key, value, etag FROM ${names.of('documents')} WHERE collection = $1 AND key = $2 FOR SHARE`,
    [LEASES, fence.lease],
  );
  mustHold(fence, rows.map(toDocument)[0]);
}

/** Throws `STORE_CORRUPT` for what somebody else has made of it. */
function toDocument([key, value, etag]: readonly (string | null)[]): StoredDocument {
  try {
    return { key: key!, value: JSON.parse(value!) as unknown, etag: etag! };
  } catch (cause) {
    throw new TelltaleError('STORE_CORRUPT', `postgres: document ${key} is damaged`, { cause, details: { key } });
  }
}
