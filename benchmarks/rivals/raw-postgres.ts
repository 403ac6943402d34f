import type pg from 'pg';
import type { TelltaleEvent } from '../../lib/index.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { BenchSchema } from '../postgres-server.ts';
import type { TestServer } from '../../spec/support/postgres-server.ts';
import type { LogRival } from './log-rival.ts';

/** As long as a hash is. */
const HASH = 'x'.repeat(43);

/** One multi-row insert a batch into the same tables, with the same indexes. Nobody waits for anybody. */
export function rawPostgres(server: TestServer): LogRival {
  let schema: BenchSchema;
  let client: pg.Client;
  return {
    name: 'raw inserts',
    async open() {
      schema = new BenchSchema(server);
      const store = postgres({ url: server.url, schema: schema.name });
      await store.open();
      await store.close();
      client = await schema.client();
    },
    async appendAll(events, inFlight) {
      const text = insertion(schema.name);
      for (let at = 0; at < events.length; at += inFlight)
        await client.query({ name: 'insert', text, values: columnsOf(events.slice(at, at + inFlight), at + 1) });
    },
    close: async () => undefined,
    async count() {
      const { rows } = await client.query<{ count: string }>(`SELECT count(*) FROM "${schema.name}".events`);
      await client.end();
      await schema.drop();
      return Number(rows[0]!.count);
    },
  };
}

function insertion(schema: string): string {
  return `
WITH given AS (
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::int[], $8::text[])
    g (position, id, type, source, time, correlation_id, schema_version, payload)
), ids AS (
  INSERT INTO "${schema}".event_ids (id, position, revision, stored_at, hash)
    SELECT id, position, 0, time, '${HASH}' FROM given
)
INSERT INTO "${schema}".events
  SELECT position, id, type, source, time, NULL, 0, correlation_id, NULL, schema_version, time, payload, NULL FROM given`;
}

function columnsOf(events: readonly TelltaleEvent[], first: number): unknown[] {
  return [
    events.map((_, i) => first + i),
    events.map(({ id }) => id),
    events.map(({ type }) => type),
    events.map(({ source }) => source),
    events.map(({ time }) => time),
    events.map(({ correlationId }) => correlationId),
    events.map(({ schemaVersion }) => schemaVersion),
    events.map(({ payload }) => JSON.stringify(payload)),
  ];
}
