import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { listenForInterrupt } from './interrupt.ts';
import { HOME, defaultLog, kindOf, mustBePath, prepareLog, removeLog } from './log-folder.ts';
import { ownSources } from './own-sources.ts';
import { Problem } from './problem.ts';
import { say } from './say.ts';

export interface DemoOptions {
  readonly log?: string;
  readonly readers?: string;
  readonly chaos?: boolean;
  readonly seed?: string;
}

const MAX_SEED = 2 ** 31 - 1;
/** The next run with --chaos takes its place. */
const CHAOS_LOG = join(HOME, 'chaos');

/** Runs the team over a folder, or hands a recorded log to `import`. Answers the exit code. */
export async function demo(target: string | undefined, options: DemoOptions): Promise<number> {
  if (target !== undefined && (target === '-' || (await kindOf(target)) === 'file')) {
    const stray = (['readers', 'chaos', 'seed'] as const).find((name) => options[name] !== undefined);
    if (stray) throw new Problem(`--${stray} is for reading a folder, not for a recorded log`);
    const { importLog } = await import('./import.ts');
    return importLog(target, options);
  }
  const readers = integerOf('readers', options.readers, 64) ?? Math.min(4, Math.max(2, availableParallelism()));
  const seed = chaosSeed(options);
  const { root, skip } = await folderToRead(target);
  const folder = options.log ?? (seed === undefined ? defaultLog(root) : CHAOS_LOG);
  // A log that knows the files already would leave nothing to do, and nobody to be killed.
  if (folder === CHAOS_LOG) await removeLog(folder);
  await prepareLog(folder);
  const interrupt = listenForInterrupt(() => say('\nstopping: what is being read is finished first'));
  try {
    // Wrong input has been told by now, without loading the bus.
    const { runTeam } = await import('./demo-run.ts');
    return await runTeam({ folder, root, skip, readers, ...(seed && { seed }), signal: interrupt.signal });
  } finally {
    interrupt.dispose();
  }
}

function chaosSeed({ chaos, seed }: DemoOptions): number | undefined {
  if (seed !== undefined && !chaos) throw new Problem('--seed belongs to --chaos');
  return chaos ? (integerOf('seed', seed, MAX_SEED) ?? randomInt(1, 1_000_000)) : undefined;
}

function integerOf(name: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Problem(`expected --${name} to be an integer from 1 to ${max}, got ${JSON.stringify(text)}`);
}

async function folderToRead(target: string | undefined) {
  if (target === undefined) return ownSources();
  await mustBePath(target, 'the demo reads a folder');
  const kind = await kindOf(target);
  if (kind === 'folder') return { root: resolve(target), skip: [] };
  if (kind === 'missing')
    throw new Problem(`${target} does not exist; name a folder to read or a recorded log (.ndjson)`);
  throw new Problem(`${target} is neither a folder nor a file`);
}
