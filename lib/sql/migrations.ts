import { TelltaleError } from '../errors.ts';

/**
 * What leads from one version of a log's tables to the next; the first is 1, and the first step leads to 2. A step runs
 * in the transaction of whoever opens the log. A process of the version before may have the log open: where it must
 * write no more, the step renames what each of its commits touches.
 */
export type Migrations<Session> = readonly ((session: Session) => unknown)[];

export const newestVersion = (migrations: Migrations<never>): number => migrations.length + 1;

/** Throws `STORE_VERSION` for tables of a newer version, and for older ones where nothing may be written. */
export function checkVersion(log: string, found: number, newest: number, readOnly: boolean): void {
  if (found === newest || (found < newest && !readOnly)) return;
  const wanted = readOnly ? `${newest}` : `${newest} or older`;
  const why = found > newest ? 'a newer telltale wrote them' : 'opened once for writing, they are migrated';
  const text = `${log}: expected tables of version ${wanted}, found version ${found}; ${why}`;
  throw new TelltaleError('STORE_VERSION', text, { details: { version: found, known: newest } });
}

/** Carries out what is missing, one step after another; the caller notes the version and commits all in one. */
export async function migrate<Session>(
  session: Session,
  found: number,
  migrations: Migrations<Session>,
): Promise<void> {
  for (const step of migrations.slice(found - 1)) await step(session);
}
