import { readdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isTelltaleError } from '../../lib/plugin.ts';
import type { Damageable, Extent, Range, Remains, Store } from '../../lib/plugin.ts';
import type { Diagnosis, Fault } from './diagnosis.ts';
import { examine } from './examine.ts';
import { commandLine } from './invocation.ts';
import { checkIsLog, isUrl, kindOf, mustBePath } from './log-folder.ts';
import { logAt, mustBeFolder } from './open-log.ts';
import { Problem } from './problem.ts';
import { startProgressLine } from './progress-line.ts';
import { counted, integer } from './render/figures.ts';
import { clean, isTerminal, lookOf, paint } from './render/text.ts';
import type { Look } from './render/text.ts';
import { salvageStore } from './salvage.ts';
import type { SalvageReport } from './salvage.ts';
import { say } from './say.ts';

export interface DoctorOptions {
  readonly salvage?: string;
  readonly json?: boolean;
}

const SHOWN = 20;

/** Looks through a log without changing it. Answers the exit code: 1 when something is wrong. */
export async function doctor(place: string, options: DoctorOptions): Promise<number> {
  const { withoutPassword } = await import('../open.ts');
  const name = withoutPassword(place);
  const { json = false, salvage: target } = options;
  if (target === '') throw new Problem('--salvage is empty; name a new folder');
  if (target !== undefined) await mustBePath(target, '--salvage makes a folder');
  const diagnosis = await (target === undefined ? diagnose(place) : diagnose(place).catch(unreadable));
  if (!json) diagnosisLines(lookOf(process.stdout), name, diagnosis).forEach(say);
  const salvaged = target === undefined ? undefined : await salvageInto(place, target);
  if (json) say(JSON.stringify({ log: name, ...diagnosis, ...(salvaged && { salvaged }) }, undefined, 2));
  else if (salvaged !== undefined) salvageLines(target!, salvaged).forEach(say);
  return diagnosis.found === 0 || salvaged !== undefined ? 0 : 1;
}

async function diagnose(place: string): Promise<Diagnosis> {
  const folder = await folderOf(place);
  if (folder !== undefined) {
    await mustBeFolder(folder);
    const { inspect } = await import('../json-file/index.ts');
    const { segments, ...rest } = await inspect(folder);
    if (segments === 0 && rest.found === 0) await checkIsLog(folder);
    return { kind: `json-file, ${counted(segments, 'segment')}`, ...rest };
  }
  const path = await fileOf(place);
  if (path === undefined) return throughPort(place);
  if ((await kindOf(path)) === 'missing') throw new Problem(`${path} does not exist; name the file of a log`);
  const { verify } = await import('../sqlite/index.ts');
  const { driver, head, events, findings, found } = await verify(path);
  return { kind: `sqlite, read by ${driver}`, head, events, faults: findings, found, notes: [] };
}

/** What cannot be looked through at all may still be salvaged. */
function unreadable(error: unknown): Diagnosis {
  if (!isTelltaleError(error, 'STORE_CORRUPT') && !isTelltaleError(error, 'STORE_PATH')) throw error;
  return {
    kind: 'not readable as it is',
    head: 0,
    events: 0,
    faults: [{ problem: error.message }],
    found: 1,
    notes: [],
  };
}

async function throughPort(place: string): Promise<Diagnosis> {
  const { store } = await logAt(place);
  await store.open();
  try {
    return { kind: kindOfStore(store), ...(await examine(store)) };
  } finally {
    await store.close();
  }
}

function kindOfStore({ supports }: Store): string {
  return `read through its store, durability ${supports.durability}`;
}

/** The folder that is meant; `undefined` for what is none. */
async function folderOf(place: string): Promise<string | undefined> {
  const { pathOf } = await import('../open.ts');
  if (!(await isUrl(place))) return (await kindOf(place)) === 'file' ? undefined : place;
  return pathOf(place, 'file');
}

/** The SQLite file that is meant. */
async function fileOf(place: string): Promise<string | undefined> {
  const { pathOf } = await import('../open.ts');
  return (await isUrl(place)) ? pathOf(place, 'sqlite') : place;
}

/** Copies what is intact into a new folder, whatever kind of store it comes from. */
async function salvageInto(place: string, target: string): Promise<SalvageReport> {
  const { jsonFile, salvage } = await import('../json-file/index.ts');
  const folder = await folderOf(place);
  if (folder !== undefined) return salvage(folder, target);
  // What is no folder yet, opening it makes, or says why not.
  if ((await readdir(target).catch(() => [])).length > 0)
    throw new Problem(`${target} is not empty; --salvage makes a new folder`);
  const from = await remainsOf(place, target);
  let at = '  opening';
  const line = isTerminal(process.stderr) ? startProgressLine(process.stderr, () => at) : undefined;
  const to = jsonFile(target);
  try {
    await to.open();
    return await salvageStore(from, to, (position, end) => {
      at = `  position ${integer(position)} of ${integer(end)}`;
    });
  } finally {
    line?.stop();
    try {
      await from.close();
    } finally {
      await to.close();
    }
  }
}

async function remainsOf(place: string, target: string): Promise<Remains> {
  const path = await fileOf(place);
  if (path !== undefined) {
    const { openRemains } = await import('../sqlite/index.ts');
    return openRemains(path, dirname(resolve(target))).catch(nothingLeft);
  }
  const { store } = await logAt(place);
  return 'remains' in store ? (store as Store & Damageable).remains() : openWhole(store);
}

/** Whoever salvages needs no word that one can. */
function nothingLeft(error: unknown): never {
  if (!isTelltaleError(error, 'STORE_CORRUPT')) throw error;
  throw new Problem(`${error.message}; nothing is left of the log in it, and nothing was copied`);
}

/** Of a store that has nothing to say beyond the port. */
async function openWhole(store: Store): Promise<Remains> {
  await store.open();
  const extent = async (): Promise<Extent> => {
    const { position } = await store.head();
    return { end: position, reach: position };
  };
  return {
    page: (query) => store.page({ ...query, checked: true }),
    removed: (range) => store.removed(range),
    tombstones: (range, limit) => store.tombstones(range, limit),
    collections: () => store.collections(),
    listDocuments: (collection) => store.listDocuments(collection),
    document: (collection, key) => store.document(collection, key),
    extent,
    close: () => store.close(),
  };
}

function salvageLines(target: string, report: SalvageReport): string[] {
  const { kept, damaged, lost, tombstones, renumbered = [], documents } = report;
  const forgotten = `${counted(positionsOf(tombstones), 'removed event')} of which the id is damaged`;
  return [
    `${counted(kept, 'intact record')} copied to ${clean(target)}; the original is as it was`,
    `  ${counted(damaged, 'damaged record')}, ${counted(positionsOf(lost), 'position')} recorded as lost${listed(lost.map(rangeText))}`,
    ...(tombstones.length === 0 ? [] : [`  ${forgotten}${listed(tombstones.map(rangeText))}`]),
    ...(renumbered.length === 0
      ? []
      : [
          `  ${counted(renumbered.length, 'event')} given the next revision, since theirs was there already${listed(renumbered.map(integer))}`,
        ]),
    ...(documents.length === 0 ? [] : [`  ${counted(documents.length, 'document')} not copied${listed(documents)}`]),
    `  to make another kind of store of it: ${commandLine('copy', target)} <url>`,
  ];
}

function positionsOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

function rangeText({ from, to }: Range): string {
  return from === to ? integer(from) : `${integer(from)} to ${integer(to)}`;
}

function listed(all: readonly string[]): string {
  const more = all.length > SHOWN ? ` and ${integer(all.length - SHOWN)} more (--json lists all)` : '';
  return all.length === 0 ? '' : `: ${all.slice(0, SHOWN).map(clean).join(', ')}${more}`;
}

function diagnosisLines(look: Look, name: string, { kind, head, events, faults, found, notes }: Diagnosis): string[] {
  const shown = faults.slice(0, SHOWN);
  return [
    `${paint(look, 'bold', 'telltale doctor')}  ${clean(name)}  (${kind})`,
    `  head at position ${integer(head)}, ${counted(events, 'event')}`,
    ...shown.map((fault) => `  ${paint(look, 'red', '✗')} ${clean(faultText(fault))}`),
    ...(found > shown.length ? [`  and ${integer(found - shown.length)} more (--json lists 1,000)`] : []),
    ...notes.map((note) => `  note: ${clean(note)}`),
    found === 0 ? 'nothing is wrong' : `${counted(found, 'fault')} found`,
  ];
}

function faultText({ problem, file, offset, position }: Fault): string {
  const place = [
    ...(file === undefined ? [] : [file]),
    ...(offset === undefined ? [] : [`byte ${offset}`]),
    ...(position === undefined ? [] : [`position ${position}`]),
  ];
  return place.length === 0 ? problem : `${problem} (${place.join(', ')})`;
}
