import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { rebuild, recall, startTeam } from '../../examples/team/index.ts';
import type { Progress } from '../../examples/team/index.ts';
import { createBus, jsonFile } from '../../lib/index.ts';
import type { Bus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { listenForInterrupt } from './interrupt.ts';
import { commandLine } from './invocation.ts';
import { defaultLog, kindOf, prepareLog } from './log-folder.ts';
import { ownSources } from './own-sources.ts';
import { Problem } from './problem.ts';
import { startProgressLine } from './progress-line.ts';
import { counted, integer } from './render/figures.ts';
import { summary } from './render/summary.ts';
import { clean, cut, lookOf, paint } from './render/text.ts';
import type { Look } from './render/text.ts';
import { say } from './say.ts';
import { correlationTree } from './correlation-tree.ts';

export interface DemoOptions {
  readonly log?: string;
  readonly readers?: string;
}

interface Scene {
  readonly bus: Bus;
  readonly store: Store;
  /** The log. */
  readonly folder: string;
  readonly root: string;
  readonly skip: readonly string[];
  readonly readers: number;
  readonly signal: AbortSignal;
  readonly look: Look;
}

const SKIPPED = ['node_modules', '.git', '.telltale'];
const STORY_LINES = 12;
const MEANING = {
  memory: 'gone with the process',
  os: 'survives a killed process',
  disk: 'survives a power cut',
} as const;

/** Runs the team over a folder, or hands a recorded log to `import`. Answers the exit code. */
export async function demo(target: string | undefined, options: DemoOptions): Promise<number> {
  if (target !== undefined && (target === '-' || (await kindOf(target)) === 'file')) {
    const { importLog } = await import('./import.ts');
    return importLog(target, options);
  }
  const readers = readerCount(options.readers);
  const { root, skip } = await folderToRead(target);
  const folder = options.log ?? defaultLog(root);
  await prepareLog(folder);
  const store = jsonFile(folder);
  const bus = await createBus({ source: 'team', store });
  const interrupt = listenForInterrupt(() => say('\nstopping: what is being read is finished first'));
  try {
    const { signal } = interrupt;
    return await run({ bus, store, folder, root, skip, readers, signal, look: lookOf(process.stdout) });
  } finally {
    await bus.close();
    interrupt.dispose();
  }
}

async function run(scene: Scene): Promise<number> {
  const { store, folder, root, look } = scene;
  opening(scene).forEach(say);
  const known = await recall(store.read());
  if (known.root !== undefined && known.root !== root)
    throw new Problem(`the log ${folder} is about ${known.root}, not ${root}; choose another folder with --log`);
  if (known.settled.size > 0)
    say(`the log knows ${counted(known.settled.size, 'file')} already: these are not read again`);
  const before = (await store.head()).position;
  const began = performance.now();
  const result = await watch(scene, known);
  const elapsedMs = performance.now() - began;
  if (result.interrupted) {
    const left = result.progress.found - result.progress.done;
    say(`stopped. Everything read so far is in the log ${folder}; at least ${counted(left, 'file')} left.`);
    say(`The same command goes on from there. To look at it: ${commandLine('show', folder)}`);
    return 130;
  }
  const stored = (await store.head()).position - before;
  const rebuilt = await rebuild(store.read(), result.report);
  const story = await treeOf(scene, rebuilt.story);
  summary({ look, result, rebuilt, story, elapsedMs, stored, folder, command: commandLine }).forEach(say);
  return rebuilt.identical ? 0 : 1;
}

async function watch(scene: Scene, known: Awaited<ReturnType<typeof recall>>) {
  const team = startTeam(scene.bus, known, {
    root: scene.root,
    readers: scene.readers,
    skipNames: new Set([...SKIPPED, ...scene.skip]),
    skipPaths: new Set([resolve(scene.folder)]),
    signal: scene.signal,
  });
  const line = startProgressLine(process.stdout, () => progressText(team.progress()));
  try {
    return await team.result;
  } finally {
    line.stop();
  }
}

async function treeOf(scene: Scene, correlationId: string | undefined): Promise<readonly string[]> {
  if (correlationId === undefined) return [];
  return correlationTree(scene.store, correlationId, { look: scene.look, limit: STORY_LINES });
}

function opening({ look, folder, root, readers, store }: Scene): string[] {
  const { durability } = store.supports;
  const workers = `scout, ${counted(readers, 'reader thread')}, reviewer, reporter`;
  return [
    `${paint(look, 'bold', 'telltale demo')}  ${workers}`,
    `  reads  ${cut(clean(relative(process.cwd(), root) || root), look.width - 9, 'end')}`,
    `  log    ${clean(folder)}  (durability ${durability}: ${MEANING[durability]})`,
  ];
}

function progressText({ found, done, failed, waiting }: Progress): string {
  return `${integer(done)} of ${counted(found, 'file')} · backlog ${integer(waiting)} · ${integer(failed)} failed`;
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
