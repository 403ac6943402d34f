import { createBus } from '../../lib/index.ts';
import type { Bus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { commandLine } from './invocation.ts';
import { checkIsLog, isUrl, kindOf } from './log-folder.ts';
import { Problem } from './problem.ts';

/** What a file with an SQLite log is called. */
export const SQLITE_FILE = /\.(?:db|sqlite3?)$/i;

/** Throws a `Problem` that says what to name instead, unless the folder holds a log. */
export async function mustBeLog(folder: string): Promise<void> {
  await mustBeFolder(folder);
  await checkIsLog(folder);
}

/** Throws a `Problem` unless it is a folder, whatever is in it. */
export async function mustBeFolder(folder: string): Promise<void> {
  if (folder === '') throw new Problem('the name is empty; name the folder or the url of a log');
  const kind = await kindOf(folder);
  if (kind === 'missing')
    throw new Problem(`${folder} does not exist; name the folder of a log, such as .telltale/<name>`);
  if (kind === 'file' && SQLITE_FILE.test(folder))
    throw new Problem(`${folder} is a file; name the folder of a log, or sqlite:${folder}`);
  if (kind === 'file')
    throw new Problem(`${folder} is a file; name the folder of a log, or take it in: ${commandLine('import', folder)}`);
  if (kind !== 'folder') throw new Problem(`${folder} is not a folder`);
}

/** A log that is there already, by its folder or its url, not opened yet. */
export interface NamedLog {
  readonly store: Store;
  /** To be shown: a url without its password. */
  readonly name: string;
}

/**
 * The log at a place: a folder, or the url of a store. For reading it takes no lock, so that somebody else may be
 * writing it. Throws a `Problem` where no log is.
 */
export async function logAt(place: string, use: 'reading' | 'writing' = 'reading'): Promise<NamedLog> {
  const { storeAt, withoutPassword } = await import('../open.ts');
  if (!(await isUrl(place))) {
    await mustBeLog(place);
    const { jsonFile } = await import('../json-file/index.ts');
    return { store: jsonFile(place, { readOnly: use === 'reading' }), name: place };
  }
  if (/^memory:/i.test(place)) throw new Problem('memory: holds nothing; name the folder or the url of a log');
  return {
    store: await storeAt(place, { readOnly: use === 'reading', create: false }),
    name: withoutPassword(place),
  };
}

/** Opens a log and a bus on it; `name` is what to call it. */
export async function withLog<Result>(
  place: string,
  use: 'reading' | 'writing',
  work: (bus: Bus, log: NamedLog) => Promise<Result>,
): Promise<Result> {
  const log = await logAt(place, use);
  const bus = await createBus({ source: 'telltale', store: log.store });
  try {
    return await work(bus, log);
  } finally {
    await bus.close();
  }
}

export function readLog<Result>(place: string, read: (bus: Bus, log: NamedLog) => Promise<Result>): Promise<Result> {
  return withLog(place, 'reading', read);
}
