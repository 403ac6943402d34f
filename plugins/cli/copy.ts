import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { copyStore, isTelltaleError } from '../../lib/index.ts';
import type { CopyMap, CopyProgress, CopyReport } from '../../lib/index.ts';
import { listenForInterrupt } from './interrupt.ts';
import { isUrl, kindOf } from './log-folder.ts';
import { SQLITE_FILE, logAt } from './open-log.ts';
import type { NamedLog } from './open-log.ts';
import { Problem } from './problem.ts';
import { startProgressLine } from './progress-line.ts';
import { counted, integer, milliseconds } from './render/figures.ts';
import { clean, lookOf, paint } from './render/text.ts';
import { say } from './say.ts';

export interface CopyCommandOptions {
  readonly map?: string;
  readonly forget?: boolean;
  /** `--no-documents`. */
  readonly documents?: boolean;
  readonly json?: boolean;
}

const INTERRUPTED = 130;

/** Copies a log into another store: a folder or the url of a store each. Answers the exit code. */
export async function copyLog(from: string, to: string, options: CopyCommandOptions): Promise<number> {
  return transfer('copy', await logAt(from), await targetAt(to), options);
}

/** Copies a log into a folder, or into one SQLite file. Answers the exit code. */
export async function backupLog(from: string, to: string, options: CopyCommandOptions): Promise<number> {
  return transfer('backup', await logAt(from), await targetAt(await urlOf(to)), options);
}

/** Copies a backup into a store. Answers the exit code. */
export async function restoreLog(from: string, to: string, options: CopyCommandOptions): Promise<number> {
  return transfer('restore', await logAt(await urlOf(from)), await targetAt(to), options);
}

/** A file is an SQLite log; every other path stays a folder. */
async function urlOf(place: string): Promise<string> {
  if (await isUrl(place)) return place;
  const kind = await kindOf(place);
  const isFile = kind === 'file' || (kind === 'missing' && SQLITE_FILE.test(place));
  return isFile ? `sqlite:${encodeURI(place)}` : place;
}

async function targetAt(place: string): Promise<NamedLog> {
  const { storeAt, withoutPassword } = await import('../open.ts');
  if (/^memory:/i.test(place)) throw new Problem('a copy in memory is gone with this command; name a folder or a url');
  if (await isUrl(place)) return { store: await storeAt(place), name: withoutPassword(place) };
  const kind = await kindOf(place);
  if (kind === 'file') throw new Problem(`${place} is a file; name a folder, or sqlite:${place}`);
  const { jsonFile } = await import('../json-file/index.ts');
  return { store: jsonFile(place), name: place };
}

async function transfer(verb: string, from: NamedLog, to: NamedLog, options: CopyCommandOptions): Promise<number> {
  const { json = false, forget = false, documents = true } = options;
  const map = options.map === undefined ? undefined : await mapIn(options.map);
  // Before the first word: whoever reads it may press Ctrl-C.
  const interrupt = listenForInterrupt(() => undefined);
  const look = lookOf(process.stdout);
  if (!json) say(`${paint(look, 'bold', `telltale ${verb}`)}  ${clean(from.name)} → ${clean(to.name)}`);
  let at: CopyProgress = { position: 0, through: 0, events: 0, leftOut: 0 };
  const line = json ? undefined : startProgressLine(process.stdout, () => progressText(at));
  const began = performance.now();
  try {
    const report = await copyStore(from.store, to.store, {
      signal: interrupt.signal,
      progress: (progress) => void (at = progress),
      forget,
      documents,
      ...(map !== undefined && { map }),
    }).finally(() => line?.stop());
    if (json) say(JSON.stringify({ from: from.name, to: to.name, ...report }));
    else reportLines(report, performance.now() - began).forEach(say);
    return 0;
  } catch (error) {
    if (!isTelltaleError(error, 'ABORTED')) throw error;
    say(`stopped at position ${integer(at.position)} of ${integer(at.through)}. The same command goes on from there`);
    return INTERRUPTED;
  } finally {
    interrupt.dispose();
  }
}

function progressText({ position, through, events }: CopyProgress): string {
  // Nothing before both are open.
  if (through === 0) return '';
  const share = Math.floor((position / through) * 100);
  return `  ${share}%  position ${integer(position)} of ${integer(through)}  ${counted(events, 'event')}`;
}

function reportLines(report: CopyReport, elapsedMs: number): readonly string[] {
  const { position, resumedFrom, events, leftOut, tombstones, documents, notices } = report;
  const onward = resumedFrom === 0 ? '' : `, on from position ${integer(resumedFrom)}`;
  const gone = tombstones === 0 ? '' : ` · ${counted(tombstones, 'id')} of removed events`;
  const left = leftOut === 0 ? '' : ` · ${integer(leftOut)} left out`;
  return [
    `${counted(events, 'event')} copied${left}${gone} · ${counted(documents, 'document')}`,
    `everything up to position ${integer(position)} is there${onward}, in ${milliseconds(elapsedMs)}`,
    ...notices.map((notice) => `note: ${clean(notice)}`),
  ];
}

/** The default export, or `map`, of a module. */
async function mapIn(file: string): Promise<CopyMap> {
  let module: { readonly default?: unknown; readonly map?: unknown };
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as typeof module;
  } catch (error) {
    throw new Problem(`--map ${file} cannot be loaded: ${(error as Error).message}`);
  }
  const map = module.default ?? module.map;
  if (typeof map === 'function') return map as CopyMap;
  throw new Problem(`--map ${file} exports no function; such as: export default (event) => event`);
}
