import { relative, resolve } from 'node:path';
import { rebuild, recall, startTeam, teamEvents } from '../../examples/team/index.ts';
import type { Progress, Recall, TeamBus, TeamResult } from '../../examples/team/index.ts';
import { createBus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { correlationTree } from './correlation-tree.ts';
import { commandLine } from './invocation.ts';
import { Problem } from './problem.ts';
import { startProgressLine } from './progress-line.ts';
import { counted, integer } from './render/figures.ts';
import { summary } from './render/summary.ts';
import { clean, cut, lookOf, paint } from './render/text.ts';
import type { Look } from './render/text.ts';
import { say } from './say.ts';

export interface Assignment {
  /** The log. */
  readonly folder: string;
  readonly root: string;
  /** Names of folders that are not entered, beside the usual ones. */
  readonly skip: readonly string[];
  readonly readers: number;
  readonly signal: AbortSignal;
}

interface Scene extends Assignment {
  readonly bus: TeamBus;
  readonly store: Store;
  readonly look: Look;
}

const SKIPPED = ['node_modules', '.git', '.telltale'];
const STORY_LINES = 12;
const MEANING = {
  memory: 'gone with the process',
  os: 'survives a killed process',
  disk: 'survives a power cut',
} as const;

/** Lets the team read the folder and says what came of it. Answers the exit code. */
export async function runTeam(assignment: Assignment): Promise<number> {
  const { jsonFile } = await import('../json-file/index.ts');
  const store = jsonFile(assignment.folder);
  const bus = await createBus({ source: 'team', store, events: teamEvents });
  try {
    return await run({ ...assignment, bus, store, look: lookOf(process.stdout) });
  } finally {
    await bus.close();
  }
}

async function run(scene: Scene): Promise<number> {
  const { store, folder, root, look } = scene;
  opening(scene).forEach(say);
  const known = await recall(store.read());
  if (known.root !== undefined && known.root !== root)
    throw new Problem(`the log ${folder} is about ${known.root}, not ${root}; choose another folder with --log`);
  if (known.settled.size > 0)
    say(`the log knows ${counted(known.settled.size, 'file')} already: what has not changed is not read again`);
  const before = (await store.head()).position;
  const began = performance.now();
  const result = await watch(scene, known);
  const elapsedMs = performance.now() - began;
  if (result.interrupted) return sayStopped(scene, result);
  const stored = (await store.head()).position - before;
  const rebuilt = await rebuild(store.read(), result.report);
  const story = await treeOf(scene, rebuilt.story);
  summary({ look, result, rebuilt, story, elapsedMs, stored, folder, command: commandLine }).forEach(say);
  return rebuilt.identical ? 0 : 1;
}

async function watch(scene: Scene, known: Recall): Promise<TeamResult> {
  const team = startTeam(scene.bus, known, {
    root: scene.root,
    log: resolve(scene.folder),
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

function sayStopped({ folder }: Scene, { progress: { found, done } }: TeamResult): number {
  const left = found > done ? `at least ${counted(found - done, 'file')} left` : 'the rest of the folder is left';
  say(`stopped. Everything read so far is in the log ${folder}; ${left}.`);
  say(`The same command goes on from there. To look at it: ${commandLine('show', folder)}`);
  return 130;
}

async function treeOf(scene: Scene, correlationId: string | undefined): Promise<readonly string[]> {
  if (correlationId === undefined) return [];
  return correlationTree(scene.store, correlationId, { look: scene.look, limit: STORY_LINES });
}

function opening({ look, folder, root, readers, store }: Scene): string[] {
  const { durability } = store.supports;
  const workers = `${readers + 3} worker threads: scout, ${counted(readers, 'reader')}, reviewer, reporter`;
  return [
    `${paint(look, 'bold', 'telltale demo')}  ${workers}`,
    `  reads  ${cut(clean(relative(process.cwd(), root) || root), look.width - 9, 'end')}`,
    `  log    ${clean(folder)}  (durability ${durability}: ${MEANING[durability]})`,
  ];
}

function progressText({ found, done, failed, waiting }: Progress): string {
  if (found === 0) return 'no file found yet · backlog 0 · 0 failed';
  return `${integer(done)} of ${counted(found, 'file')} found · backlog ${integer(waiting)} · ${integer(failed)} failed`;
}
