import { createHash } from 'node:crypto';
import type { Failure, FileFacts, Flag, Report, Totals } from './events.ts';

/** The least an event needs for the report. Live and stored events have it alike. */
export interface ReportEvent {
  readonly type: string;
  readonly payload: unknown;
}

interface Entry {
  readonly bytes: number;
  readonly facts?: FileFacts;
  readonly failure?: string;
  readonly flags: readonly Flag[];
}

const LONGEST = 5;
const LISTED = 100;

/**
 * The report as a fold over events: `file.read`, `file.parsed`, `file.flagged`, `file.failed` and `folder.failed`, in
 * any order of files; told twice they change nothing. Keeps one small entry per file. The running report and the one
 * rebuilt from the log are both made by this code and nothing else, so that they can be compared.
 */
export class ReportFold {
  readonly #entries = new Map<string, Entry>();

  apply(event: ReportEvent): void {
    const payload = event.payload as Record<string, unknown>;
    const path = payload['path'];
    if (typeof path !== 'string') return;
    const before = this.#entries.get(path) ?? { bytes: 0, flags: [] };
    const after = change(before, event.type, payload);
    if (after) this.#entries.set(path, after);
  }

  /** The figures alone: one walk, nothing sorted. */
  toTotals(): Totals {
    const totals = { read: 0, lines: 0, todos: 0, failed: 0, flagged: 0 };
    for (const { facts, failure, flags } of this.#entries.values()) {
      if (facts) totals.read++;
      totals.lines += facts?.lines ?? 0;
      totals.todos += facts?.todos ?? 0;
      if (failure !== undefined) totals.failed++;
      totals.flagged += flags.length;
    }
    return totals;
  }

  toReport(): Report {
    const entries = [...this.#entries].toSorted(([a], [b]) => compare(a, b));
    const read = entries.flatMap(([path, { bytes, facts }]) => (facts ? [{ path, bytes, facts }] : []));
    return {
      ...this.toTotals(),
      bytes: sum(read.map(({ bytes }) => bytes)),
      imports: sum(read.map(({ facts }) => facts.imports)),
      exports: sum(read.map(({ facts }) => facts.exports)),
      languages: languages(read.map(({ facts }) => facts)),
      longestFunctions: longestFunctions(read),
      flags: worst(entries.flatMap(([, { flags }]) => flags)),
      failures: entries.flatMap(([path, entry]) => failureOf(path, entry)).slice(0, LISTED),
      digest: digest(entries),
    };
  }
}

function change(before: Entry, type: string, payload: Record<string, unknown>): Entry | undefined {
  switch (type) {
    case 'file.read':
      // Read again because it changed: what an earlier reading found no longer counts.
      return { bytes: Number(payload['bytes']), flags: [] };
    case 'file.parsed':
      return { ...before, facts: payload['facts'] as FileFacts };
    case 'file.flagged': {
      const flag = payload as unknown as Flag;
      const flags = [...before.flags.filter(({ rule }) => rule !== flag.rule), flag];
      return { ...before, flags: flags.toSorted((a, b) => compare(a.rule, b.rule)) };
    }
    case 'file.failed':
    case 'folder.failed':
      return { bytes: 0, flags: [], failure: String(payload['reason']) };
    default:
      return undefined;
  }
}

function languages(read: readonly FileFacts[]): Report['languages'] {
  const found = new Map<string, { name: string; files: number; lines: number }>();
  for (const { language, lines } of read) {
    const entry = found.get(language) ?? { name: language, files: 0, lines: 0 };
    found.set(language, { name: language, files: entry.files + 1, lines: entry.lines + lines });
  }
  return [...found.values()].toSorted((a, b) => b.lines - a.lines || compare(a.name, b.name));
}

function longestFunctions(read: readonly { path: string; facts: FileFacts }[]): Report['longestFunctions'] {
  return read
    .flatMap(({ path, facts }) => (facts.longest ? [{ path, ...facts.longest }] : []))
    .toSorted((a, b) => b.lines - a.lines || compare(a.path, b.path))
    .slice(0, LONGEST);
}

function worst(flags: readonly Flag[]): readonly Flag[] {
  return flags.toSorted((a, b) => b.value / b.limit - a.value / a.limit).slice(0, LISTED);
}

function failureOf(path: string, { failure }: Entry): readonly Failure[] {
  return failure === undefined ? [] : [{ path, reason: failure }];
}

function digest(entries: readonly (readonly [string, Entry])[]): string {
  const hash = createHash('sha256');
  for (const [path, { bytes, facts, failure, flags }] of entries)
    hash.update(JSON.stringify([path, bytes, facts ? Object.entries(facts).toSorted(byName) : null, failure, flags]));
  return hash.digest('base64url');
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return compare(a, b);
}

// By code unit: the same on every machine, whatever its language.
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
