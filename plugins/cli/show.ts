import type { Store } from '../../lib/plugin.ts';
import { commandLine } from './invocation.ts';
import { checkIsLog, kindOf } from './log-folder.ts';
import { lookUp } from './look-up.ts';
import { overviewOf } from './overview.ts';
import { Problem } from './problem.ts';
import { correlationLines, eventLines } from './render/found.ts';
import { overviewLines } from './render/overview.ts';
import { lookOf } from './render/text.ts';

export interface ShowOptions {
  readonly json?: boolean;
}

/** Looks at a log without taking its lock, so that somebody else may be writing it. Answers the exit code. */
export async function show(folder: string, id: string | undefined, options: ShowOptions): Promise<number> {
  await checkFolder(folder);
  const { jsonFile } = await import('../json-file/index.ts');
  const store = jsonFile(folder, { readOnly: true });
  await store.open();
  try {
    const lines = await (id === undefined ? showAll(store, folder, options) : showOne(store, folder, id, options));
    process.stdout.write(`${lines.join('\n')}\n`);
    return 0;
  } finally {
    await store.close();
  }
}

async function showAll(store: Store, folder: string, { json }: ShowOptions): Promise<readonly string[]> {
  const overview = await overviewOf(store);
  if (json === true) return [JSON.stringify({ folder, ...overview }, undefined, 2)];
  return overviewLines({ look: lookOf(process.stdout), overview, folder, command: commandLine });
}

async function showOne(store: Store, folder: string, id: string, { json }: ShowOptions): Promise<readonly string[]> {
  const found = await lookUp(store, id);
  if (found.kind === 'nothing') throw new Problem(notFound(folder, id, found.similar));
  if (json === true) return [JSON.stringify(found, undefined, 2)];
  const facts = { look: lookOf(process.stdout), folder, command: commandLine };
  return found.kind === 'event' ? eventLines(facts, found) : correlationLines(facts, found);
}

function notFound(folder: string, id: string, similar: readonly string[]): string {
  const lead = `no event and no correlation in ${folder} has the id ${id}`;
  if (similar.length === 0) return `${lead}; ${commandLine('show', folder)} lists the newest correlations`;
  return `${lead}; did you mean ${similar.join(' or ')}?`;
}

async function checkFolder(folder: string): Promise<void> {
  const kind = await kindOf(folder);
  if (kind === 'missing')
    throw new Problem(`${folder} does not exist; name the folder of a log, such as .telltale/<name>`);
  if (kind === 'file')
    throw new Problem(`${folder} is a file; name the folder of a log, or take it in: ${commandLine('import', folder)}`);
  if (kind !== 'folder') throw new Problem(`${folder} is not a folder`);
  await checkIsLog(folder);
}
