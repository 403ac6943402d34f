import { hasCheckpoints, mustBeNewest } from '../../lib/plugin.ts';
import type { FoundTable, RetryAnswer, SkippedEvent, TargetCheckpoint } from '../../lib/plugin.ts';
import { bigintArray, floatArray, textArray } from './arrays.ts';
import type { Session } from './connections.ts';

const TABLE = 'projection_checkpoints';
/** Events that were passed over, each under the key of its checkpoint. */
const SKIPPED = 'projection_skipped';
const VERSION = 2;
const COMMENT = 'telltale projection checkpoints ';
/** Processes that start at once make the table one after the other. */
const LOCK = 7_310_868_735_422_754;

/**
 * How far consumers have come and what they have passed over, in tables of the target's database. All of it happens in
 * the caller's transaction.
 */
export class CheckpointTable {
  readonly #schema: string;
  readonly #name: string;
  readonly #skipped: string;

  constructor(schema: string) {
    this.#schema = schema;
    this.#name = `"${schema}".${TABLE}`;
    this.#skipped = `"${schema}".${SKIPPED}`;
  }

  /**
   * Makes the tables where they are not there. Throws `TARGET_BROKEN` for another program's, `STORE_VERSION` for one of
   * another version.
   */
  async bring(session: Session): Promise<void> {
    await session.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const { rows } = await session.query(
      `SELECT name, to_regclass(name), obj_description(to_regclass(name), 'pg_class'), to_regnamespace($2)
       FROM unnest($1::text[]) AS name`,
      [[this.#name, this.#skipped], `"${this.#schema}"`],
    );
    if (hasCheckpoints(rows.map(toFound), { where: 'PostgreSQL', version: VERSION })) return;
    if (rows[0]![3] === null) await session.query(`CREATE SCHEMA "${this.#schema}"`);
    await session.query(
      `CREATE TABLE ${this.#name} (key text PRIMARY KEY, position bigint NOT NULL, epoch double precision NOT NULL, event_id text)`,
    );
    await session.query(`CREATE TABLE ${this.#skipped} (key text, position bigint, PRIMARY KEY (key, position))`);
    for (const name of [this.#name, this.#skipped])
      await session.query(`COMMENT ON TABLE ${name} IS '${COMMENT}${VERSION}'`);
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
    await this.#forget(session, [claimed]);
    await this.write(session, [claimed]);
    return claimed;
  }

  /**
   * What was skipped above checkpoints that go back is forgotten. To be done first: a retry of it that is under way is
   * waited for, and one that comes later finds nothing.
   */
  async goBack(
    session: Session,
    given: readonly TargetCheckpoint[],
    known: ReadonlyMap<string, TargetCheckpoint>,
  ): Promise<void> {
    const back = given.filter(({ key, position }) => position < (known.get(key)?.position ?? Infinity));
    if (back.length > 0) await this.#forget(session, back);
  }

  /** The event is skipped no longer; where it was not, answers why. */
  async take(session: Session, { key, position }: SkippedEvent): Promise<RetryAnswer> {
    // One statement: what it sees of both tables is of one moment.
    const { rows } = await session.query(
      `WITH taken AS (DELETE FROM ${this.#skipped} WHERE key = $1 AND position = $2 RETURNING 1)
       SELECT (SELECT count(*) FROM taken), (SELECT position FROM ${this.#name} WHERE key = $1)`,
      [key, position],
    );
    const [taken, passed] = rows[0]!;
    if (Number(taken) > 0) return undefined;
    return passed == null || Number(passed) < position ? 'ahead' : 'known';
  }

  async write(session: Session, given: readonly TargetCheckpoint[]): Promise<void> {
    if (given.length === 0) return;
    const columns = [
      textArray(given.map(({ key }) => key)),
      bigintArray(given.map(({ position }) => position)),
      floatArray(given.map(({ epoch }) => epoch)),
      textArray(given.map(({ eventId }) => eventId ?? null)),
    ];
    await session.query(
      `INSERT INTO ${this.#name} SELECT * FROM unnest($1::text[], $2::bigint[], $3::double precision[], $4::text[]) ` +
        'ON CONFLICT (key) DO UPDATE SET (position, epoch, event_id) = ROW (excluded.position, excluded.epoch, excluded.event_id)',
      columns,
    );
    for (const { key, position, isSkipped } of given)
      if (isSkipped)
        await session.query(`INSERT INTO ${this.#skipped} VALUES ($1, $2) ON CONFLICT DO NOTHING`, [key, position]);
  }

  async #forget(session: Session, above: readonly TargetCheckpoint[]): Promise<void> {
    await session.query(
      `DELETE FROM ${this.#skipped} AS skipped USING unnest($1::text[], $2::bigint[]) AS above (key, position)
       WHERE skipped.key = above.key AND skipped.position > above.position`,
      [above.map(({ key }) => key), above.map(({ position }) => position)],
    );
  }
}

function toFound([name, table, comment]: readonly (string | null)[]): FoundTable {
  const version = comment?.startsWith(COMMENT) ? comment.slice(COMMENT.length) : undefined;
  return { name: name!, isThere: table !== null, version };
}

function toCheckpoint([key, position, epoch, eventId]: readonly (string | null)[]): TargetCheckpoint {
  return { key: key!, position: Number(position), epoch: Number(epoch), ...(eventId != null && { eventId }) };
}
