import { relative, resolve } from 'node:path';
import { audit, createChaos, startTeam, teamEvents } from '../../examples/team/index.ts';
import type { Chaos, Progress, Team, TeamBus, TeamResult } from '../../examples/team/index.ts';
import { createBus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { correlationTree } from './correlation-tree.ts';
import { commandLine } from './invocation.ts';
import { Problem } from './problem.ts';
import { startProgressLine } from './progress-line.ts';
import { chaosVerdict } from './render/chaos.ts';
import { counted, integer } from './render/figures.ts';
import { summary } from './render/summary.ts';
import type { Story } from './render/summary.ts';
import { clean, cut, lookOf, paint, wrap } from './render/text.ts';
import type { Look } from './render/text.ts';
import { say } from './say.ts';

export interface Assignment {
  /** The log. */
  readonly folder: string;
  readonly root: string;
  /** Names of folders that are not entered, beside the usual ones. */
  readonly skip: readonly string[];
  readonly readers: number;
  /** Kills readers while they work, as this number has it. */
  readonly seed?: number;
  readonly signal: AbortSignal;
}

interface Scene extends Assignment {
  readonly bus: TeamBus;
  readonly store: Store;
  readonly look: Look;
}

const SKIPPED = ['node_modules', '.git', '.telltale'];
const STORY_LINES = 12;
/** A reader that dies takes up to eight files with it: none is given up for that. */
const PATIENCE = 100;
/** Several phases of closing may need it, each for itself, where the log takes nothing. */
const CLOSE_TIMEOUT = '3s';
const MEANING = {
  memory: 'gone with the process',
  os: 'survives a killed process',
  disk: 'survives a power cut',
} as const;

/** Lets the team read the folder and says what came of it. Answers the exit code. */
export async function runTeam(assignment: Assignment): Promise<number> {
  const { jsonFile } = await import('../json-file/index.ts');
  const store = jsonFile(assignment.folder);
  const bus = await createBus({ source: 'team', store, events: teamEvents, closeTimeout: CLOSE_TIMEOUT });
  sayTrouble(bus);
  let code: number;
  try {
    code = await run({ ...assignment, bus, store, look: lookOf(process.stdout) });
  } catch (error) {
    // What went wrong first is told, not what followed from it.
    await bus.close().catch(() => undefined);
    throw error;
  }
  await bus.close();
  return code;
}

/** Says once what keeps the team from getting on. */
function sayTrouble(bus: TeamBus): void {
  let isSaid = false;
  const tell = (why: string): void => {
    if (!isSaid) say(`\n${why}\nit is tried again until that is possible; Ctrl-C ends it`);
    isSaid = true;
  };
  bus.on('$bus.store.failed', ({ payload }) => tell((payload as { readonly message: string }).message));
  bus.on('$bus.consumer.paused', ({ payload }) => tell((payload as { readonly error: Error }).error.message));
}

async function run(scene: Scene): Promise<number> {
  const { bus, store, folder, look, seed } = scene;
  opening(scene).forEach(say);
  await mustBeAbout(scene);
  const before = (await store.head()).position;
  const chaos = seed === undefined ? undefined : createChaos({ seed });
  let began = performance.now();
  const team = await assemble(scene, chaos);
  const startMs = performance.now() - began;
  if (team.known > 0)
    say(`the log knows ${counted(team.known, 'file')} already: what has not changed is not read again`);
  const calm = chaos?.unleash(bus, team.readers);
  began = performance.now();
  const result = await watch(team).finally(calm);
  const workMs = performance.now() - began;
  if (result.interrupted) return sayStopped(scene, result);
  const stored = (await store.head()).position - before;
  const found = await audit(bus, result.report);
  const verdict = chaos && chaosVerdict(look, { seed: seed!, audit: found, kills: chaos.kills });
  const facts = { result, audit: found, story: await storyOf(scene), startMs, workMs, stored };
  summary({ ...facts, look, folder, command: commandLine, more: verdict?.lines ?? [] }).forEach(say);
  return found.identical && (verdict?.holds ?? true) ? 0 : 1;
}

/** Puts the team together; its readers may be made to die. */
function assemble(scene: Scene, chaos: Chaos | undefined): Promise<Team> {
  const { bus, root, folder, readers, skip, signal } = scene;
  return startTeam(bus, {
    root,
    log: resolve(folder),
    readers,
    skipNames: new Set([...SKIPPED, ...skip]),
    skipPaths: new Set([resolve(folder)]),
    signal,
    ...(chaos && { pool: chaos.pool, patience: PATIENCE }),
  });
}

async function mustBeAbout({ bus, folder, root }: Scene): Promise<void> {
  const { events } = await bus.query({ type: 'scan.started', limit: 1 });
  const known = events[0]?.payload.root;
  if (known !== undefined && known !== root)
    throw new Problem(`the log ${folder} is about ${known}, not ${root}; choose another folder with --log`);
}

async function watch(team: Team): Promise<TeamResult> {
  const line = startProgressLine(process.stdout, () => progressText(team.progress()));
  try {
    return await team.run();
  } finally {
    line.stop();
  }
}

function sayStopped({ folder, seed }: Scene, { progress: { found, done } }: TeamResult): number {
  const left = found > done ? `at least ${counted(found - done, 'file')} left` : 'the rest of the folder is left';
  say(`stopped. Everything read so far is in the log ${folder}; ${left}.`);
  const next = seed === undefined ? 'The same command goes on from there. ' : '';
  say(`${next}To look at it: ${commandLine('show', folder)}`);
  return 130;
}

/** The newest file that was flagged, or else parsed, and the newest that failed. */
async function storyOf({ bus, store, look }: Scene): Promise<Story> {
  const newest = async (type: 'file.flagged' | 'file.parsed' | 'file.failed') =>
    (await bus.query({ type, direction: 'backward', limit: 1 })).events[0];
  const shown = (await newest('file.flagged')) ?? (await newest('file.parsed'));
  const failure = (await newest('file.failed'))?.correlationId;
  if (!shown) return { path: '', lines: [], failure };
  // A tree in fewer columns would say nothing.
  const wide = { ...look, width: Math.max(40, look.width) };
  const lines = await correlationTree(store, shown.correlationId, { look: wide, limit: STORY_LINES });
  return { path: shown.payload.path, lines, failure };
}

function opening({ look, folder, root, readers, store, seed }: Scene): string[] {
  const { durability } = store.supports;
  const team = `a scout, ${counted(readers, 'reader thread')}, a reviewer, a reporter`;
  return [
    ...(team.length + 15 > look.width
      ? [paint(look, 'bold', 'telltale demo'), ...wrap(team, look.width - 2, 3).map((line) => `  ${line}`)]
      : [`${paint(look, 'bold', 'telltale demo')}  ${team}`]),
    `  reads  ${cut(clean(relative(process.cwd(), root) || root), look.width - 9, 'end')}`,
    `  log    ${clean(folder)}  (durability ${durability}: ${MEANING[durability]})`,
    ...(seed === undefined ? [] : [`  chaos  readers are killed while they read  (--seed ${seed})`]),
  ];
}

function progressText({ found, done, failed, waiting }: Progress): string {
  if (found === 0) return 'no file found yet · backlog 0 · 0 failed';
  return `${integer(done)} of ${counted(found, 'file')} found · backlog ${integer(waiting)} · ${integer(failed)} failed`;
}
