import { resolve } from 'node:path';
import { checkPositions } from './check-positions.ts';
import { checkKeys, checkRows } from './check-rows.ts';
import { checkSearch } from './check-search.ts';
import { checkDocuments, checkRelations, checkSchema } from './check-tables.ts';
import type { Connection } from './connection.ts';
import { openConnections } from './connections.ts';
import type { DriverName } from './driver.ts';
import { loadDriver } from './drivers.ts';
import { Findings } from './findings.ts';
import type { Finding } from './findings.ts';
import { readLog } from './log.ts';
import type { LogRow } from './log.ts';
import { parseOptions, parseVerify } from './options.ts';
import type { VerifyOptions } from './options.ts';
import { asBytes, legible } from './texts.ts';

export type { Finding } from './findings.ts';
export type { VerifyOptions } from './options.ts';

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

/**
 * Looks through a whole log and changes nothing: SQLite's own check of the file; tables, columns and indexes; each
 * event's and tombstone's checksum; whether every position has an event or a recorded removal, each with the ids that
 * it left; revisions, ids, the index of paths, both ways, and that of texts; counters; and documents that are no JSON or ahead of the
 * log. Memory does not grow with the log, and the event loop turns, but for SQLite's check, which holds it for about a
 * second a gigabyte.
 *
 * @throws `INVALID_OPTION`; `STORE_PATH`, `STORE_VERSION`, `STORE_CORRUPT` for a file that cannot be looked through at all
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { driver: name, progress } = parseVerify(options);
  const parsed = parseOptions(path, { readOnly: true, ...(name !== undefined && { driver: name }) });
  const driver = loadDriver(parsed.driver);
  const { reader } = await openConnections(driver, resolve(path), parsed);
  try {
    const findings = new Findings();
    // One transaction: what is committed meanwhile must not look like a fault.
    reader.exec('BEGIN');
    await findings.of('the file', () => checkFile(reader, findings));
    await findings.of('sqlite_master', () => checkSchema(reader, driver, findings));
    const log = await findings.of('telltale_log', () => readLog(reader));
    const head = log?.position ?? 0;
    const { events, keys } = await checkRows(reader, findings, (position) => progress?.(position, head));
    await findings.of('telltale_keys', () => checkKeys(reader, keys, findings));
    if (log !== undefined) await checkAgainst(reader, log, findings);
    await findings.of('revisions and ids', () => checkRelations(reader, findings));
    await findings.of('telltale_search', () => checkSearch(reader, findings));
    return { path, driver: driver.name, head, events, findings: findings.kept, found: findings.count };
  } finally {
    reader.close();
  }
}

function checkFile(reader: Connection, findings: Findings): void {
  for (const row of reader.all(`SELECT ${asBytes('integrity_check')} FROM pragma_integrity_check`)) {
    const found = legible(row['integrity_check']);
    if (found !== 'ok') findings.add(`SQLite: ${found}`);
  }
}

async function checkAgainst(reader: Connection, log: LogRow, findings: Findings): Promise<void> {
  await findings.of('positions', () => checkPositions(reader, log, findings));
  await findings.of('telltale_documents', () => checkDocuments(reader, log.position, findings));
}
