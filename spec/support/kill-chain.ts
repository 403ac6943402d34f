import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { inspect } from '../../plugins/json-file/inspect.ts';
import { randomSource } from '../json-file/random.ts';

const WRITER = join(import.meta.dirname, 'kill-writer.js');

export interface KillReport {
  readonly kills: number;
  readonly acknowledged: number;
  /** Acknowledged, but not in its place afterwards. */
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** Batches of which only a part is there. */
  readonly split: readonly string[];
  /** Acknowledged, and removed since: known by id and record. */
  readonly swept: number;
  readonly tornTails: number;
  /** What is wrong with the logs when they have been recovered. */
  readonly faults: readonly string[];
  readonly failedStarts: readonly string[];
}

/**
 * Kills writers, one after another over the same folders, so that each recovers what the one before it left, and
 * compares the logs with what was acknowledged. A process has several logs open, because starting it costs most of its
 * life: `kills` counts logs whose writer was killed. Every few processes the folders are compared and new ones begun.
 * `torn`: each process tears a record in each log and dies of it; otherwise it is killed at random; `sweeping`: while it
 * removes events, and packs segments.
 */
export async function killChain(kills: number, seed: number, torn: boolean | 'sweeping'): Promise<KillReport> {
  const reports: KillReport[] = [];
  const logs = torn === 'sweeping' ? SWEPT_LOGS : LOGS;
  for (let left = kills; left > 0; left -= logs * DEATHS) {
    const deaths = Math.ceil(Math.min(left, logs * DEATHS) / logs);
    reports.push(...(await killOverFolders(deaths, seed * 10_000 + left, torn)));
  }
  return joinReports(reports);
}

export function joinReports(reports: readonly KillReport[]): KillReport {
  return {
    kills: reports.reduce((sum, { kills }) => sum + kills, 0),
    acknowledged: reports.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    swept: reports.reduce((sum, { swept }) => sum + swept, 0),
    tornTails: reports.reduce((sum, { tornTails }) => sum + tornTails, 0),
    lost: reports.flatMap(({ lost }) => lost),
    doubled: reports.flatMap(({ doubled }) => doubled),
    split: reports.flatMap(({ split }) => split),
    faults: reports.flatMap(({ faults }) => faults),
    failedStarts: reports.flatMap(({ failedStarts }) => failedStarts),
  };
}

/** Of 50 kills three processes die, one after the other. */
const LOGS = 17;
const SWEPT_LOGS = 6;
/** Removals that came to their end before a writer is killed. */
const SWEEPS = 3;
/** Processes that die over the same folders: logs stay small, and quick to open. */
const DEATHS = 7;

async function killOverFolders(deaths: number, seed: number, torn: boolean | 'sweeping'): Promise<KillReport[]> {
  const random = randomSource(seed);
  const logs = torn === 'sweeping' ? SWEPT_LOGS : LOGS;
  const folders = await Promise.all(Array.from({ length: logs }, () => mkdtemp(join(tmpdir(), 'telltale-kill-'))));
  const acknowledged = folders.map(() => new Map<string, number>());
  const failedStarts: string[] = [];
  try {
    for (let i = 0; i < deaths; i++) {
      const lines = torn === 'sweeping' ? 200 : 14;
      const end = {
        open: logs,
        swept: torn === 'sweeping' ? SWEEPS : 0,
        lines: torn === true ? Infinity : logs + 1 + Math.floor(random() * lines * logs),
      };
      const { lines: told, errors } = await killOne([`${seed}${i}`, tornWrite(torn, i), ...folders], end);
      if (told.filter((line) => line.startsWith('open ')).length < logs) failedStarts.push(errors);
      for (const [id, position] of told.filter((line) => /^\d/.test(line)).map((line) => line.split(' ')))
        acknowledged[Number.parseInt(id!, 10)]!.set(id!, Number(position));
    }
    const found = await Promise.all(
      folders.map((folder, log) =>
        compare(folder, acknowledged[log]!).catch((error: unknown) => unread(String(error))),
      ),
    );
    return found.map((report, log) => ({ ...report, kills: deaths, failedStarts: log === 0 ? failedStarts : [] }));
  } finally {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }
}

/** What the writers are told: the write that the first of them tears, 0 for none, `sweep` to remove all the time. */
function tornWrite(torn: boolean | 'sweeping', death: number): string {
  if (torn === 'sweeping') return 'sweep';
  return torn ? String(1 + death) : '0';
}

/** Kills the process when it has told of so many open logs, sweeps and lines in all. */
function killOne(
  args: readonly string[],
  end: { readonly open: number; readonly swept: number; readonly lines: number },
): Promise<{ lines: string[]; errors: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [WRITER, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [text, errors] = ['', ''];
    const told = (word: string): number => text.split(word).length - 1;
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (told('\n') >= end.lines && told('open ') >= end.open && told('swept ') >= end.swept) child.kill('SIGKILL');
    });
    // A line is only complete with its newline: the last piece is what the kill left of one, or nothing.
    child.on('close', () => resolve({ lines: text.split('\n').slice(0, -1), errors }));
  });
}

type Comparison = Omit<KillReport, 'kills' | 'failedStarts'>;

const unread = (fault: string): Comparison => ({ ...joinReports([]), faults: [fault] });

async function compare(folder: string, acknowledged: ReadonlyMap<string, number>): Promise<Comparison> {
  const store = jsonFile(folder);
  await store.open();
  const found = new Map<string, number>();
  const doubled: string[] = [];
  for await (const { id, position } of store.read()) {
    if (found.has(id)) doubled.push(id);
    found.set(id, position);
  }
  // What was removed is known by its id, at its place.
  const known = await store.find([...acknowledged.keys()]);
  const removed = await store.removed();
  await store.close();
  const faults = (await inspect(folder)).faults.map((fault) => JSON.stringify(fault));
  const isRemoved = (position: number): boolean =>
    removed.some(({ from, to, reason }) => reason === 'swept' && from <= position && position <= to);
  const isGone = (id: string, position: number): boolean => known.get(id)?.position === position && isRemoved(position);
  const lost = [...acknowledged]
    .filter(([id, position]) => found.get(id) !== position && !isGone(id, position))
    .map(([id]) => id);
  const tornTails = (await readdir(folder)).filter((name) => name.endsWith('.quarantine')).length;
  const swept = [...acknowledged].filter(([id, position]) => !found.has(id) && isGone(id, position)).length;
  const split = splitBatches(found, isRemoved);
  return { acknowledged: acknowledged.size, swept, lost, doubled, split, tornTails, faults };
}

/** Ids end in the number within their batch; a batch that is there in part has no first, or a gap. */
function splitBatches(found: ReadonlyMap<string, number>, isRemoved: (position: number) => boolean): string[] {
  const split: string[] = [];
  for (const [id, position] of found) {
    const [, batch, number] = /^(.*)-(\d+)$/.exec(id)!;
    if (number === '0' || isRemoved(position - 1)) continue;
    if (found.get(`${batch}-${Number(number) - 1}`) !== position - 1) split.push(id);
  }
  return split;
}
