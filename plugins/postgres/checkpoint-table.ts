import { TelltaleError, mustBeNewest } from '../../lib/plugin.ts';
import type { TargetCheckpoint } from '../../lib/plugin.ts';
import type { Session } from './connections.ts';

const TABLE = 'projection_checkpoints';
const VERSION = 1;
const COMMENT = 'telltale projection checkpoints ';
/** Processes that start at once make the table one after the other. */
const LOCK = 7_310_868_735_422_754;

/** How far consumers have come, in a table of the target's database. All of it happens in the caller's transaction. */
export class CheckpointTable {
  readonly #schema: string;
  readonly #name: string;

  constructor(schema: string) {
    this.#schema = schema;
    this.#name = `"${schema}".${TABLE}`;
  }

  /** Makes the table where it is not there. Throws `TARGET_BROKEN` for another program's, `STORE_VERSION` for a newer one. */
  async bring(session: Session): Promise<void> {
    await session.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const { rows } = await session.query(
      `SELECT obj_description(to_regclass($1), 'pg_class'), to_regclass($1), to_regnamespace($2)`,
      [this.#name, `"${this.#schema}"`],
    );
    const [comment, table, schema] = rows[0]!;
    if (table !== null) return this.#mustBeOurs(comment ?? '');
    if (schema === null) await session.query(`CREATE SCHEMA "${this.#schema}"`);
    await session.query(
      `CREATE TABLE ${this.#name} (key text PRIMARY KEY, position bigint NOT NULL, epoch double precision NOT NULL, event_id text)`,
    );
    await session.query(`COMMENT ON TABLE ${this.#name} IS '${COMMENT}${VERSION}'`);
  }

  /**
   * What is known under the keys, which nobody else changes until the transaction ends: whoever asks waits for one that
   * is still under way. Throws `LEASE_LOST` where one has a later holder.
   */
  async lock(session: Session, given: readonly TargetCheckpoint[]): Promise<ReadonlyMap<string, TargetCheckpoint>> {
    const { rows } = await session.query(
      `SELECT key, position, epoch, event_id FROM ${this.#name} WHERE key = ANY($1) ORDER BY key FOR UPDATE`,
      [given.map(({ key }) => key)],
    );
    const known = new Map(rows.map((row) => [row[0]!, toCheckpoint(row)]));
    for (const one of given) mustBeNewest(known.get(one.key), one);
    return known;
  }

  /** The same of one that is there afterwards in any case. */
  async claim(session: Session, given: TargetCheckpoint): Promise<TargetCheckpoint> {
    const { key, position, epoch } = given;
    await session.query(`INSERT INTO ${this.#name} VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING`, [
      key,
      position,
      epoch,
    ]);
    const claimed = { ...(await this.lock(session, [given])).get(key)!, epoch };
    await this.write(session, [claimed]);
    return claimed;
  }

  async write(session: Session, given: readonly TargetCheckpoint[]): Promise<void> {
    if (given.length === 0) return;
    const columns = [
      given.map(({ key }) => key),
      given.map(({ position }) => position),
      given.map(({ epoch }) => epoch),
      given.map(({ eventId }) => eventId ?? null),
    ];
    await session.query(
      `INSERT INTO ${this.#name} SELECT * FROM unnest($1::text[], $2::bigint[], $3::double precision[], $4::text[]) ` +
        'ON CONFLICT (key) DO UPDATE SET (position, epoch, event_id) = ROW (excluded.position, excluded.epoch, excluded.event_id)',
      columns,
    );
  }

  #mustBeOurs(comment: string): void {
    const version = comment.startsWith(COMMENT) ? Number(comment.slice(COMMENT.length)) : NaN;
    if (version === VERSION) return;
    const details = { table: this.#name };
    if (version > VERSION) {
      const text = `PostgreSQL: expected ${this.#name} to be of version ${VERSION}, found ${version}; a newer telltale wrote it`;
      throw new TelltaleError('STORE_VERSION', text, { details });
    }
    throw new TelltaleError('TARGET_BROKEN', `PostgreSQL: ${this.#name} is another program's table`, { details });
  }
}

function toCheckpoint([key, position, epoch, eventId]: readonly (string | null)[]): TargetCheckpoint {
  return { key: key!, position: Number(position), epoch: Number(epoch), ...(eventId != null && { eventId }) };
}
