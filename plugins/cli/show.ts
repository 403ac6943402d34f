import type { Store } from '../../lib/plugin.ts';
import { commandLine } from './invocation.ts';
import { lookUp } from './look-up.ts';
import { logAt } from './open-log.ts';
import { overviewOf } from './overview.ts';
import { Problem } from './problem.ts';
import { correlationLines, eventLines } from './render/found.ts';
import { moment } from './render/figures.ts';
import { overviewLines } from './render/overview.ts';
import { lookOf } from './render/text.ts';

export interface ShowOptions {
  readonly json?: boolean;
}

/** Looks at a log without taking its lock, so that somebody else may be writing it. Answers the exit code. */
export async function show(place: string, id: string | undefined, options: ShowOptions): Promise<number> {
  const { store, name: folder } = await logAt(place);
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
  if (found.kind === 'nothing')
    throw new Problem((await removedText(store, id)) ?? notFound(folder, id, found.similar));
  if (json === true) return [JSON.stringify(found, undefined, 2)];
  const facts = { look: lookOf(process.stdout), folder, command: commandLine };
  return found.kind === 'event' ? eventLines(facts, found) : correlationLines(facts, found);
}

async function removedText(store: Store, id: string): Promise<string | undefined> {
  const known = (await store.find([id])).get(id);
  if (known === undefined) return undefined;
  const { position } = known;
  const [removal] = await store.removed({ from: position, to: position });
  return removal && `${id} was removed ${moment(removal.at)} UTC (${removal.reason}); it was at position ${position}`;
}

function notFound(folder: string, id: string, similar: readonly string[]): string {
  const lead = `no event and no correlation in ${folder} has the id ${id}`;
  if (similar.length === 0) return `${lead}; ${commandLine('show', folder)} lists the newest correlations`;
  return `${lead}; did you mean ${similar.join(' or ')}?`;
}
