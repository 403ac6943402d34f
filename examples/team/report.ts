import type { FileFacts } from './parse.ts';

/** The least an event needs for the report. Live and stored events have it alike. */
export interface ReportEvent {
  readonly type: string;
  readonly payload: unknown;
}

export interface Failure {
  readonly path: string;
  readonly reason: string;
}

export interface Flag {
  readonly path: string;
  readonly rule: string;
  readonly value: number;
  readonly limit: number;
  readonly where?: string;
}

/** What the team has found out. Plain data in a fixed order, whatever order the events came in. */
export interface Report {
  readonly read: number;
  readonly bytes: number;
  readonly lines: number;
  readonly imports: number;
  readonly exports: number;
  readonly todos: number;
  readonly languages: readonly { readonly name: string; readonly files: number; readonly lines: number }[];
  readonly longestFunctions: readonly {
    readonly path: string;
    readonly name: string;
    readonly at: number;
    readonly lines: number;
  }[];
  readonly flags: readonly Flag[];
  readonly failures: readonly Failure[];
}

interface Entry {
  readonly bytes: number;
  readonly facts?: FileFacts;
  readonly failure?: string;
  readonly flags: readonly Flag[];
}

const LISTED = 5;

/**
 * The report as a fold over events: `file.read`, `file.parsed`, `file.flagged`, `file.failed` and `folder.failed`, in
 * any order. Keeps one small entry per file. The running report and the one rebuilt from the log are both made by this
 * code and nothing else, so that they can be compared.
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

  toReport(): Report {
    const entries = [...this.#entries].toSorted(([a], [b]) => compare(a, b));
    const read = entries.flatMap(([path, { bytes, facts }]) => (facts ? [{ path, bytes, facts }] : []));
    const total = (pick: (facts: FileFacts) => number): number => sum(read.map(({ facts }) => pick(facts)));
    return {
      read: read.length,
      bytes: sum(read.map(({ bytes }) => bytes)),
      lines: total((facts) => facts.lines),
      imports: total((facts) => facts.imports),
      exports: total((facts) => facts.exports),
      todos: total((facts) => facts.todos),
      languages: languages(read.map(({ facts }) => facts)),
      longestFunctions: read
        .flatMap(({ path, facts }) => (facts.longest ? [{ path, ...facts.longest }] : []))
        .toSorted((a, b) => b.lines - a.lines || compare(a.path, b.path))
        .slice(0, LISTED),
      flags: entries.flatMap(([, { flags }]) => flags.toSorted((a, b) => compare(a.rule, b.rule))),
      failures: entries.flatMap(([path, { failure }]) => (failure === undefined ? [] : [{ path, reason: failure }])),
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
      return { ...before, flags: [...before.flags.filter(({ rule }) => rule !== flag.rule), flag] };
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

// By code unit: the same on every machine, whatever its language.
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
