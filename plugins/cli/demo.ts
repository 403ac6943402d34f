import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { listenForInterrupt } from './interrupt.ts';
import { defaultLog, kindOf, prepareLog } from './log-folder.ts';
import { ownSources } from './own-sources.ts';
import { Problem } from './problem.ts';
import { say } from './say.ts';

export interface DemoOptions {
  readonly log?: string;
  readonly readers?: string;
}

/** Runs the team over a folder, or hands a recorded log to `import`. Answers the exit code. */
export async function demo(target: string | undefined, options: DemoOptions): Promise<number> {
  if (target !== undefined && (target === '-' || (await kindOf(target)) === 'file')) {
    if (options.readers !== undefined) throw new Problem('--readers is for reading a folder, not for a recorded log');
    const { importLog } = await import('./import.ts');
    return importLog(target, options);
  }
  const readers = readerCount(options.readers);
  const { root, skip } = await folderToRead(target);
  const folder = options.log ?? defaultLog(root);
  await prepareLog(folder);
  const interrupt = listenForInterrupt(() => say('\nstopping: what is being read is finished first'));
  try {
    // Wrong input has been told by now, without loading the bus.
    const { runTeam } = await import('./demo-run.ts');
    return await runTeam({ folder, root, skip, readers, signal: interrupt.signal });
  } finally {
    interrupt.dispose();
  }
}

function readerCount(text: string | undefined): number {
  if (text === undefined) return Math.min(4, Math.max(2, availableParallelism()));
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 64) return count;
  throw new Problem(`expected --readers to be an integer from 1 to 64, got ${JSON.stringify(text)}`);
}

async function folderToRead(target: string | undefined) {
  if (target === undefined) return ownSources();
  const kind = await kindOf(target);
  if (kind === 'folder') return { root: resolve(target), skip: [] };
  if (kind === 'missing')
    throw new Problem(`${target} does not exist; name a folder to read or a recorded log (.ndjson)`);
  throw new Problem(`${target} is neither a folder nor a file`);
}
