import { createBus } from '../../lib/index.ts';
import type { Bus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { commandLine } from './invocation.ts';
import { checkIsLog, kindOf } from './log-folder.ts';
import { Problem } from './problem.ts';

/** Throws a `Problem` that says what to name instead, unless the folder holds a log. */
export async function mustBeLog(folder: string): Promise<void> {
  const kind = await kindOf(folder);
  if (kind === 'missing')
    throw new Problem(`${folder} does not exist; name the folder of a log, such as .telltale/<name>`);
  if (kind === 'file')
    throw new Problem(`${folder} is a file; name the folder of a log, or take it in: ${commandLine('import', folder)}`);
  if (kind !== 'folder') throw new Problem(`${folder} is not a folder`);
  await checkIsLog(folder);
}

/** Opens a log for reading without taking its lock, so that somebody else may be writing it. */
export async function readLog<Result>(
  folder: string,
  read: (bus: Bus, store: Store) => Promise<Result>,
): Promise<Result> {
  await mustBeLog(folder);
  const { jsonFile } = await import('../json-file/index.ts');
  const store = jsonFile(folder, { readOnly: true });
  const bus = await createBus({ source: 'telltale', store });
  try {
    return await read(bus, store);
  } finally {
    await bus.close();
  }
}
