import { resolve } from 'node:path';
import { Slice, show, toError } from '../../lib/plugin.ts';
import type { Range, StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { openConnections } from './connections.ts';
import type { DriverName, SqlRow } from './driver.ts';
import { loadDriver } from './drivers.ts';
import { isReady, readPaths } from './keys.ts';
import type { KeyPath } from './keys.ts';
import { readLog } from './log.ts';
import { parseOptions } from './options.ts';
import { WHOLE, decode } from './records.ts';
import { readRemovals } from './removals.ts';

/** Something that is wrong with a log. */
export interface Finding {
  /** Where, as far as it has a place in the log. */
  readonly position?: number;
  readonly problem: string;
}

export interface VerifyReport {
  readonly path: string;
  readonly driver: DriverName;
  readonly head: number;
  /** Events whose checksum was compared. */
  readonly events: number;
  /** The first 1,000. */
  readonly findings: readonly Finding[];
  /** How many there are. */
  readonly found: number;
}

const ROWS = 256;
const KEPT = 1_000;

/**
 * Looks through a whole log and changes nothing: SQLite's own check of the file, each row's checksum, whether every
 * position has an event or a recorded removal, indexes, counters, and documents that are ahead of the log. SQLite's
 * check holds the event loop for about a second a gigabyte.
 *
 * @throws `STORE_PATH`, `STORE_VERSION`, `STORE_CORRUPT` for a file that cannot be looked through at all
 */
export async function verify(path: string, options: { readonly driver?: DriverName } = {}): Promise<VerifyReport> {
  const parsed = parseOptions(path, { ...options, readOnly: true });
  const driver = loadDriver(parsed.driver);
  const file = resolve(path);
  const { reader } = await openConnections(driver, file, parsed);
  try {
    const findings = new Findings();
    // One transaction: what is committed meanwhile must not look like a fault.
    reader.exec('BEGIN');
    const step = async <T>(check: () => T | Promise<T>): Promise<T | undefined> => {
      try {
        return await check();
      } catch (error) {
        findings.add(`a check could not go on: ${toError(error).message}`);
        return undefined;
      }
    };
    await step(() => checkFile(reader, findings));
    const events = (await step(() => checkRows(reader, findings))) ?? 0;
    const head = (await step(() => readLog(reader).position)) ?? 0;
    if (head > 0) await step(() => checkCover(reader, head, findings));
    await step(() => checkTables(reader, head, findings));
    return { path, driver: driver.name, head, events, findings: findings.kept, found: findings.count };
  } finally {
    reader.close();
  }
}

class Findings {
  readonly kept: Finding[] = [];
  count = 0;

  add(problem: string, position?: number): void {
    if (this.count++ < KEPT) this.kept.push(position === undefined ? { problem } : { position, problem });
  }
}

function checkFile(reader: Connection, findings: Findings): void {
  for (const row of reader.all('PRAGMA integrity_check(100)'))
    if (row['integrity_check'] !== 'ok') findings.add(`SQLite: ${row['integrity_check'] as string}`);
}

async function checkRows(reader: Connection, findings: Findings): Promise<number> {
  const paths = readPaths(reader).filter(isReady);
  const slice = new Slice();
  let events = 0;
  for (let after = 0; ;) {
    const rows = reader.all(`SELECT ${WHOLE} FROM telltale_events WHERE position > ? ORDER BY position LIMIT ${ROWS}`, [
      after,
    ]);
    for (const row of rows) await checkRow(reader, row, paths, findings);
    events += rows.length;
    if (rows.length < ROWS) return events;
    after = rows[ROWS - 1]!['position'] as number;
    if (slice.isOver) await slice.rest();
  }
}

async function checkRow(reader: Connection, row: SqlRow, paths: readonly KeyPath[], findings: Findings): Promise<void> {
  const position = row['position'] as number;
  try {
    const { event, isIntact } = await decode(row, true);
    if (isIntact) checkKeys(reader, event, paths, findings);
    else findings.add(`the checksum of event ${event.id} is wrong`, position);
  } catch (error) {
    findings.add(`the event cannot be read: ${toError(error).message}`, position);
  }
}

function checkKeys(reader: Connection, event: StoredEvent, paths: readonly KeyPath[], findings: Findings): void {
  for (const { number, path, read } of paths) {
    const key = read(event);
    if (key === undefined) continue;
    const sql = 'SELECT 1 AS yes FROM telltale_keys WHERE path = ? AND key = ? AND position = ?';
    if (reader.get(sql, [number, key, event.position]) === undefined)
      findings.add(`the index of ${path} does not have event ${event.id}`, event.position);
  }
}

/** Every position up to the head has an event or a recorded removal, and not both. */
async function checkCover(reader: Connection, head: number, findings: Findings): Promise<void> {
  const removals = await readRemovals(reader, { from: 1, to: Number.MAX_SAFE_INTEGER });
  let next = 1;
  for (const range of await covered(reader, removals)) {
    if (range.from > next) findings.add(`no event and no removal is recorded up to ${range.from - 1}`, next);
    if (range.from < next) findings.add('both an event and a removal are recorded, or two removals', range.from);
    next = Math.max(next, range.to + 1);
  }
  if (next <= head) findings.add(`no event and no removal is recorded up to ${head}`, next);
  if (next > head + 1) findings.add(`the log's head is ${head}, and there is something behind it`, head + 1);
}

/** Runs of positions that have events, and the removals, sorted. */
async function covered(reader: Connection, removals: readonly Range[]): Promise<readonly Range[]> {
  const runs: Range[] = [];
  const slice = new Slice();
  let run: { from: number; to: number } | undefined;
  for (let after = 0; ;) {
    const rows = reader.all('SELECT position FROM telltale_events WHERE position > ? ORDER BY position LIMIT 4096', [
      after,
    ]);
    for (const row of rows) {
      const position = row['position'] as number;
      if (run !== undefined && run.to + 1 === position) run.to = position;
      else runs.push((run = { from: position, to: position }));
    }
    if (rows.length < 4_096) return [...runs, ...removals].toSorted((a, b) => a.from - b.from);
    after = rows[rows.length - 1]!['position'] as number;
    if (slice.isOver) await slice.rest();
  }
}

const TWICE =
  'SELECT entity, revision, max(position) AS position FROM telltale_events WHERE entity IS NOT NULL ' +
  'GROUP BY entity, revision HAVING count(*) > 1 LIMIT 100';
const BURIED_ALIVE =
  'SELECT telltale_events.position AS position, id FROM telltale_events JOIN telltale_tombstones USING (id) LIMIT 100';
const COUNTS =
  'SELECT (SELECT count(*) FROM telltale_events) AS events, (SELECT coalesce(sum(bytes), 0) FROM telltale_events) AS bytes';

function checkTables(reader: Connection, head: number, findings: Findings): void {
  for (const row of reader.all(TWICE))
    findings.add(
      `revision ${show(row['revision'])} of ${show(row['entity'])} is there twice`,
      row['position'] as number,
    );
  for (const row of reader.all(BURIED_ALIVE))
    findings.add(`event ${show(row['id'])} is there and removed`, row['position'] as number);
  for (const row of reader.all('SELECT collection, key, named FROM telltale_documents WHERE named > ?', [head]))
    findings.add(
      `document ${show(row['collection'])}/${show(row['key'])} names position ${show(row['named'])}, ahead of the log`,
    );
  const { events, bytes } = readLog(reader);
  const counted = reader.get(COUNTS)!;
  if (counted['events'] !== events || counted['bytes'] !== bytes)
    findings.add(
      `${events} events of ${bytes} bytes are counted, and there are ${show(counted['events'])} of ${show(counted['bytes'])}`,
    );
}
