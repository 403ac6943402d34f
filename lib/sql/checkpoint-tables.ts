import { TelltaleError } from '../errors.ts';

/** A table of checkpoints as a database has it. */
export interface FoundTable {
  readonly name: string;
  readonly isThere: boolean;
  /** What follows the words that mark it as ours; `undefined` without them. */
  readonly version: string | undefined;
}

export interface WantedTables {
  /** Begins what is thrown. */
  readonly where: string;
  readonly version: number;
  /** Of what is thrown, beside the table. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Whether the tables are there, as they should be. Throws `TARGET_BROKEN` where one of them is missing or another
 * program's, `STORE_VERSION` for one of another version.
 */
export function hasCheckpoints(tables: readonly FoundTable[], wanted: WantedTables): boolean {
  if (!tables.some(({ isThere }) => isThere)) return false;
  for (const table of tables) mustBeOurs(table, wanted);
  return true;
}

function mustBeOurs({ name, isThere, version }: FoundTable, wanted: WantedTables): void {
  if (version === String(wanted.version)) return;
  const details = { ...wanted.details, table: name };
  if (version !== undefined) {
    const text = `expected ${name} to be of version ${wanted.version}, found ${version}; another telltale wrote it`;
    throw new TelltaleError('STORE_VERSION', `${wanted.where}: ${text}`, { details });
  }
  const what = isThere ? "is another program's table" : 'is missing';
  throw new TelltaleError('TARGET_BROKEN', `${wanted.where}: ${name} ${what}`, { details });
}
