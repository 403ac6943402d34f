import { TelltaleError, contentHash, toRow } from '../../lib/plugin.ts';
import type { ImportSlice } from '../../lib/plugin.ts';
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

/** Takes over stretches of other logs. */
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
