import { newestVersion } from '../../lib/plugin.ts';
import type { Migrations } from '../../lib/plugin.ts';
import type { Session } from './connections.ts';
import type { Names } from './names.ts';
import { pathIndexes } from './paths.ts';

/** What a step is given: the transaction, in which a table is waited for a moment only, and what the tables are called. */
export interface Migrated {
  readonly session: Session;
  readonly names: Names;
}

/** To the tables below. Every commit calls the function that appends. */
export const MIGRATIONS: Migrations<Migrated> = [];

/** The tables of the newest version. Texts are compared by bytes, as filters compare them. */
export function createTables(names: Names): string {
  return [createHead, createEvents, createMemory, createNotes, createAppend].map((create) => create(names)).join('');
}

/** Whose tables these are, and how far the log goes. */
function createHead(names: Names): string {
  return `
CREATE TABLE ${names.of('meta')} (
  application text NOT NULL PRIMARY KEY,
  version int NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO ${names.of('meta')} (application, version) VALUES ('telltale', ${newestVersion(MIGRATIONS)});
CREATE TABLE ${names.of('counter')} (
  one int PRIMARY KEY CHECK (one = 1),
  position bigint NOT NULL,
  stored_at float8 NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ${names.of('counter')} VALUES (1, 0, 0);`;
}

function createEvents(names: Names): string {
  return `
CREATE TABLE ${names.of('events')} (
  position bigint NOT NULL PRIMARY KEY,
  id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  time float8 NOT NULL,
  entity text COLLATE "C",
  revision bigint NOT NULL,
  correlation_id text COLLATE "C" NOT NULL,
  causation_id text COLLATE "C",
  schema_version bigint NOT NULL,
  stored_at float8 NOT NULL,
  payload text NOT NULL,
  metadata text
) PARTITION BY RANGE (position);
CREATE INDEX ${names.quoted('events_type')} ON ${names.of('events')} (type, position);
CREATE INDEX ${names.quoted('events_entity')} ON ${names.of('events')} (entity, position) WHERE entity IS NOT NULL;
CREATE INDEX ${names.quoted('events_correlation')} ON ${names.of('events')} (correlation_id, position);
CREATE INDEX ${names.quoted('events_causation')} ON ${names.of('events')} (causation_id, position)
  WHERE causation_id IS NOT NULL;
CREATE INDEX ${names.quoted('events_time')} ON ${names.of('events')} (time);`;
}

/** What stays known of events that are removed. */
function createMemory(names: Names): string {
  return `
CREATE TABLE ${names.of('event_ids')} (
  id text COLLATE "C" PRIMARY KEY,
  position bigint NOT NULL,
  revision bigint NOT NULL,
  stored_at float8 NOT NULL,
  hash text COLLATE "C" NOT NULL,
  entity text COLLATE "C"
);
CREATE INDEX ${names.quoted('event_ids_position')} ON ${names.of('event_ids')}
  USING brin (position) WITH (pages_per_range = 16, autosummarize = on);
CREATE TABLE ${names.of('streams')} (
  entity text COLLATE "C" PRIMARY KEY,
  revision bigint NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE ${names.of('removed')} (
  from_position bigint PRIMARY KEY,
  to_position bigint NOT NULL,
  reason text NOT NULL,
  at float8 NOT NULL
);`;
}

function createNotes(names: Names): string {
  return `
CREATE TABLE ${names.of('changes')} (
  serial bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  from_position bigint NOT NULL,
  to_position bigint NOT NULL
);
CREATE TABLE ${names.of('documents')} (
  collection text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  value text NOT NULL,
  etag text COLLATE "C" NOT NULL,
  PRIMARY KEY (collection, key)
);`;
}

/**
 * One group commit. Takes the lock of the counter first: whoever writes comes one after another, in the order of
 * positions, and each statement behind the lock sees all that was committed before. Then it looks whether what was
 * taken for granted holds (none of `asked` is known, the streams stand where `expected` says, -1: anywhere), and
 * writes everything or nothing.
 *
 * What it looks up it takes one by one from an index: connections keep the plan they made when the log was empty, and
 * a join would go on to read the whole table then.
 */
function createAppend(names: Names): string {
  return `
CREATE FUNCTION ${names.append}(
  asked text[], stream_names text[], expected bigint[], counts int[],
  ids text[], types text[], sources text[], times float8[], entities text[], streams int[], offsets int[],
  correlations text[], causations text[], versions bigint[], payloads text[], metadatas text[], hashes text[],
  now float8,
  OUT status text, OUT first bigint, OUT stored float8, OUT bases bigint[]
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $append$
DECLARE
  head bigint;
  last float8;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    status := 'isolation';
    RETURN;
  END IF;
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  SELECT c.position, c.stored_at INTO STRICT head, last FROM ${names.of('counter')} c WHERE c.one = 1 FOR UPDATE;
  IF cardinality(asked) > 0 THEN
    PERFORM FROM unnest(asked) a (id)
      WHERE (SELECT true FROM ${names.of('event_ids')} i WHERE i.id = a.id) LIMIT 1;
    IF FOUND THEN
      status := 'known';
      RETURN;
    END IF;
  END IF;
  bases := '{}';
  IF cardinality(stream_names) > 0 THEN
    bases := ARRAY(
      SELECT coalesce((SELECT s.revision FROM ${names.of('streams')} s WHERE s.entity = n.entity), 0)
      FROM unnest(stream_names) WITH ORDINALITY n (entity, place) ORDER BY n.place);
    PERFORM FROM unnest(expected, bases) e (wanted, have) WHERE e.wanted >= 0 AND e.wanted <> e.have;
    IF FOUND THEN
      status := 'moved';
      RETURN;
    END IF;
    INSERT INTO ${names.of('streams')} (entity, revision)
      SELECT n.entity, n.base + n.count FROM unnest(stream_names, bases, counts) n (entity, base, count)
      ON CONFLICT (entity) DO UPDATE SET revision = EXCLUDED.revision;
  END IF;
  first := head + 1;
  stored := greatest(now, last);
  INSERT INTO ${names.of('event_ids')} (id, position, revision, stored_at, hash)
    SELECT e.id, head + e.place, coalesce(bases[e.stream], 0) + e.distance, stored, e.hash
    FROM unnest(ids, hashes, streams, offsets) WITH ORDINALITY e (id, hash, stream, distance, place);
  INSERT INTO ${names.of('events')}
    SELECT head + e.place, e.id, e.type, e.source, e.time, e.entity, coalesce(bases[e.stream], 0) + e.distance,
      e.correlation_id, e.causation_id, e.schema_version, stored, e.payload, e.metadata
    FROM unnest(ids, types, sources, times, entities, streams, offsets, correlations, causations, versions, payloads,
      metadatas) WITH ORDINALITY e (id, type, source, time, entity, stream, distance, correlation_id, causation_id,
      schema_version, payload, metadata, place);
  UPDATE ${names.of('counter')} c SET position = head + cardinality(ids), stored_at = stored WHERE c.one = 1;
  status := 'stored';
END
$append$;`;
}

export interface WantedIndex {
  /** As the catalogue has it. */
  readonly name: string;
  /** What is indexed, as queries name it. */
  readonly of: string;
  /** What the names of its parts in partitions begin with: with 24 letters before and 17 behind it they have room. */
  readonly part: string;
  /** What follows the name of the table. */
  readonly definition: string;
}

/** Indexes beside those every log has. */
export function wantedIndexes(names: Names, paths: readonly string[], isPayloadIndexed: boolean): WantedIndex[] {
  const indexes = pathIndexes(paths).map(({ name, path, expression }) =>
    wanted(names, name, path, `(${expression}, position) WHERE ${expression} IS NOT NULL`),
  );
  return isPayloadIndexed ? [...indexes, payloadIndex(names)] : indexes;
}

export function payloadIndex(names: Names): WantedIndex {
  return wanted(names, 'payload', 'all of every payload', 'USING gin ((payload::jsonb) jsonb_path_ops)');
}

function wanted(names: Names, short: string, of: string, definition: string): WantedIndex {
  return { name: names.plain(`events_${short}`), of, part: names.plain(short), definition };
}

/** Over all partitions; without those there are where these have events. */
export function createIndex(names: Names, { name, definition }: WantedIndex, isWhole: boolean): string {
  return `CREATE INDEX "${name}" ON ${isWhole ? '' : 'ONLY '}${names.of('events')} ${definition}`;
}
