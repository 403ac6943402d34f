import { TelltaleError, contentHash, toRow } from '../../lib/plugin.ts';
import type { ImportSlice, Range, Tombstone } from '../../lib/plugin.ts';
import { bigintArray, floatArray, textArray } from './arrays.ts';
import type { Connections, Session } from './connections.ts';
import { lockHead } from './counter.ts';
import type { Names } from './names.ts';
import type { Partitions } from './partitions.ts';
import { insertRemoved } from './removals.ts';

export interface ImportPort {
  readonly connections: Connections;
  readonly names: Names;
  readonly partitions: Partitions;
}

/** Positions that are looked at in one go. */
const LOOK_POSITIONS = 10_000;

/** Takes over stretches of other logs, and tells what is left of removed events, so that this one can be taken over. */
export class Imports {
  readonly #port: ImportPort;

  constructor(port: ImportPort) {
    this.#port = port;
  }

  /** Carried out as a whole, under the lock that all writers take. */
  async take(slice: ImportSlice): Promise<void> {
    const { connections, names, partitions } = this.#port;
    await partitions.holding(slice.events.map(({ position }) => position));
    await connections.transaction(async (session) => {
      const { position: head } = await lockHead(session, names);
      if (head !== slice.from - 1) {
        const text = `expected the log to end at ${slice.from - 1}, found ${head}: somebody else has written meanwhile`;
        throw new TelltaleError('IMPORT_REFUSED', text);
      }
      await this.#insertEvents(session, slice);
      await this.#insertIds(session, slice);
      await this.#raiseStreams(session, slice);
      await insertRemoved(session, names, slice.removed);
      await session.query(`UPDATE ${names.of('counter')} SET position = $1, stored_at = $2`, [
        slice.to,
        slice.storedAt,
      ]);
    });
  }

  /** The first of the removed events within a range that are still known. */
  async tombstones({ from, to }: Range, limit: number): Promise<readonly Tombstone[]> {
    const found: Tombstone[] = [];
    for (let next = from; next <= to && found.length < limit;) {
      const first = await this.#firstRemoved(next, to);
      if (first === undefined) break;
      const last = Math.min(to, first + LOOK_POSITIONS - 1);
      found.push(...(await this.#known(first, last, limit - found.length)));
      next = last + 1;
    }
    return found;
  }

  async #firstRemoved(from: number, to: number): Promise<number | undefined> {
    const { connections, names } = this.#port;
    const table = names.of('removed');
    const { rows } = await connections.query(
      `SELECT greatest(from_position, $1) FROM ${table}
       WHERE to_position >= $1 AND from_position <= $2
         AND from_position >= coalesce((SELECT max(from_position) FROM ${table} WHERE from_position <= $1), 0)
       ORDER BY from_position LIMIT 1`,
      [from, Number.isFinite(to) ? to : Number.MAX_SAFE_INTEGER],
    );
    return rows[0] && Number(rows[0][0]);
  }

  async #known(first: number, last: number, limit: number): Promise<Tombstone[]> {
    const { connections, names } = this.#port;
    const { rows } = await connections.query(
      `SELECT id, position, revision, stored_at, hash, entity FROM ${names.of('event_ids')} i
       WHERE position BETWEEN $1 AND $2 AND position <= (SELECT r.to_position FROM ${names.of('removed')} r
         WHERE r.from_position <= i.position ORDER BY r.from_position DESC LIMIT 1)
       ORDER BY position LIMIT $3`,
      [first, last, limit],
    );
    return rows.map(([id, position, revision, storedAt, hash, entity]) => ({
      id: id!,
      position: Number(position),
      revision: Number(revision),
      storedAt: Number(storedAt),
      hash: hash!,
      ...(entity === null ? undefined : { entity: entity! }),
    }));
  }

  async #insertEvents(session: Session, { events }: ImportSlice): Promise<void> {
    if (events.length === 0) return;
    const rows = events.map(toRow);
    await session.query(
      `INSERT INTO ${this.#port.names.of('events')}
       SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::bigint[],
         $8::text[], $9::text[], $10::bigint[], $11::float8[], $12::text[], $13::text[])`,
      [
        bigintArray(rows.map(({ position }) => position)),
        textArray(rows.map(({ id }) => id)),
        textArray(rows.map(({ type }) => type)),
        textArray(rows.map(({ source }) => source)),
        floatArray(rows.map(({ time }) => time)),
        textArray(rows.map(({ entity }) => entity)),
        bigintArray(rows.map(({ revision }) => revision)),
        textArray(rows.map((row) => row.correlation_id)),
        textArray(rows.map((row) => row.causation_id)),
        bigintArray(rows.map((row) => row.schema_version)),
        floatArray(rows.map((row) => row.stored_at)),
        textArray(rows.map(({ payload }) => payload)),
        textArray(rows.map(({ metadata }) => metadata)),
      ],
    );
  }

  async #insertIds(session: Session, { events, tombstones }: ImportSlice): Promise<void> {
    const known = [
      ...events.map((event) => ({ ...event, entity: undefined, hash: contentHash(event) })),
      ...tombstones,
    ].toSorted((a, b) => a.position - b.position);
    if (known.length === 0) return;
    await session.query(
      `INSERT INTO ${this.#port.names.of('event_ids')} (id, position, revision, stored_at, hash, entity)
       SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::float8[], $5::text[], $6::text[])`,
      [
        textArray(known.map(({ id }) => id)),
        bigintArray(known.map(({ position }) => position)),
        bigintArray(known.map(({ revision }) => revision)),
        floatArray(known.map(({ storedAt }) => storedAt)),
        textArray(known.map(({ hash }) => hash)),
        textArray(known.map(({ entity }) => entity ?? null)),
      ],
    );
  }

  async #raiseStreams(session: Session, { events, tombstones }: ImportSlice): Promise<void> {
    const revisions = new Map<string, number>();
    for (const { entity, revision } of [...events, ...tombstones])
      if (entity !== undefined) revisions.set(entity, Math.max(revision, revisions.get(entity) ?? 0));
    if (revisions.size === 0) return;
    await session.query(
      `INSERT INTO ${this.#port.names.of('streams')} AS s (entity, revision)
       SELECT * FROM unnest($1::text[], $2::bigint[])
       ON CONFLICT (entity) DO UPDATE SET revision = greatest(s.revision, EXCLUDED.revision)`,
      [textArray([...revisions.keys()]), bigintArray([...revisions.values()])],
    );
  }
}
