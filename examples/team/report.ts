import { createHash } from 'node:crypto';
import type { FileFacts, Flag, TeamEvents } from './events.ts';

/** What is known of one file. */
export interface Entry {
  readonly stamp: string;
  readonly bytes: number;
  readonly facts?: FileFacts;
  /** Why it could not be read. */
  readonly failure?: string;
  readonly flags: readonly Flag[];
}

/** By path. */
export type Entries = Map<string, Entry>;

/** What the team has found out. Plain data in a fixed order, whatever order the events came in. */
export interface Report extends Readonly<TeamEvents['report.updated']> {
  readonly bytes: number;
  readonly imports: number;
  readonly exports: number;
  readonly languages: readonly { readonly name: string; readonly files: number; readonly lines: number }[];
  readonly longestFunctions: readonly ({ readonly path: string } & NonNullable<FileFacts['longest']>)[];
  /** The worst first, at most 100. */
  readonly flags: readonly Flag[];
  /** By path, at most 100. */
  readonly failures: readonly { readonly path: string; readonly reason: string }[];
  /** Of all that is known of each file: two reports with one digest agree in everything. */
  readonly digest: string;
}

/** The types of which the report is made. */
export const REPORTED = ['file.parsed', 'file.flagged', 'file.failed', 'folder.failed'] as const;

const LONGEST = 5;
const LISTED = 100;

/**
 * The report as a fold over events, in any order of files; told twice they change nothing. The report that is kept and
 * the one that is made anew from the log both come from here, so that they can be compared.
 */
export function tell(
  entries: Entries,
  { type, payload }: { readonly type: string; readonly payload: unknown },
): Entries {
  if (!(REPORTED as readonly string[]).includes(type)) return entries;
  const { path, stamp = '' } = payload as { readonly path: string; readonly stamp?: string };
  if (type === 'file.parsed') {
    // In a log of version 0.1 the bytes stand elsewhere.
    const { bytes = 0, facts } = payload as Partial<TeamEvents['file.parsed']>;
    // Read again because it changed: what an earlier reading found no longer counts.
    return entries.set(path, { stamp, bytes, ...(facts && { facts }), flags: [] });
  }
  if (type !== 'file.flagged') {
    const { reason } = payload as TeamEvents['folder.failed'];
    return entries.set(path, { stamp, bytes: 0, failure: reason, flags: [] });
  }
  const flag = payload as Flag;
  const before = entries.get(path) ?? { stamp, bytes: 0, flags: [] };
  const flags = [...before.flags.filter(({ rule }) => rule !== flag.rule), flag];
  return entries.set(path, { ...before, flags: flags.toSorted((a, b) => compare(a.rule, b.rule)) });
}

export function toReport(entries: Entries): Report {
  const all = [...entries].toSorted(([a], [b]) => compare(a, b));
  const read = all.flatMap(([path, { bytes, facts }]) => (facts ? [{ path, bytes, facts }] : []));
  const flags = all.flatMap(([, entry]) => entry.flags);
  const failures = all.flatMap(([path, { failure }]) => (failure === undefined ? [] : [{ path, reason: failure }]));
  return {
    read: read.length,
    lines: sum(read.map(({ facts }) => facts.lines)),
    todos: sum(read.map(({ facts }) => facts.todos)),
    failed: failures.length,
    flagged: flags.length,
    bytes: sum(read.map(({ bytes }) => bytes)),
    imports: sum(read.map(({ facts }) => facts.imports)),
    exports: sum(read.map(({ facts }) => facts.exports)),
    languages: languages(read.map(({ facts }) => facts)),
    longestFunctions: longestFunctions(read),
    flags: flags.toSorted((a, b) => b.value / b.limit - a.value / a.limit).slice(0, LISTED),
    failures: failures.slice(0, LISTED),
    digest: digest(all),
  };
}

function languages(read: readonly FileFacts[]): Report['languages'] {
  const found = new Map<string, { name: string; files: number; lines: number }>();
  for (const { language, lines } of read) {
    const entry = found.get(language) ?? { name: language, files: 0, lines: 0 };
    found.set(language, { name: language, files: entry.files + 1, lines: entry.lines + lines });
  }
  return [...found.values()].toSorted((a, b) => b.lines - a.lines || compare(a.name, b.name));
}

function longestFunctions(
  read: readonly { readonly path: string; readonly facts: FileFacts }[],
): Report['longestFunctions'] {
  return read
    .flatMap(({ path, facts }) => (facts.longest ? [{ path, ...facts.longest }] : []))
    .toSorted((a, b) => b.lines - a.lines || compare(a.path, b.path))
    .slice(0, LONGEST);
}

function digest(entries: readonly (readonly [string, Entry])[]): string {
  const hash = createHash('sha256');
  for (const [path, { stamp, bytes, facts, failure, flags }] of entries) {
    const sorted = facts && Object.entries(facts).toSorted(([a], [b]) => compare(a, b));
    hash.update(JSON.stringify([path, stamp, bytes, sorted ?? null, failure, flags]));
  }
  return hash.digest('base64url');
}

// By code unit: the same on every machine, whatever its language.
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
