import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Outcome } from './measure.ts';

const PACKAGES = 'telltale emittery eventemitter2 eventemitter3 lowdb mqemitter qlobber rxjs'.split(' ');

/** A figure that is agreed to stay at most so high. */
export interface Bound {
  readonly what: string;
  readonly reached: number;
  readonly atMost: number;
}

/** A finished benchmark: tables of comparisons, or plain figures where there is nothing to compare with. */
export interface Report {
  readonly name: string;
  readonly outcomes: readonly Outcome[];
  /** `events per second, appended: 210,000` */
  readonly facts: Readonly<Record<string, number | string>>;
  readonly bounds: readonly Bound[];
}

/** Everything a reader needs to know to repeat the run. */
export function describeMachine(): Readonly<Record<string, unknown>> {
  const processors = cpus();
  return {
    node: process.version,
    v8: process.versions.v8,
    platform: `${process.platform} ${process.arch}`,
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    versions: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
  };
}

export function formatOutcome({ title, operation, figures, targets }: Outcome): string {
  const width = Math.max(...figures.map(({ name }) => name.length));
  const lines = figures.map(({ name, medianNs, spread, ratio }, at) => {
    const target = targets.find(({ rival }) => rival === name);
    const verdict = target === undefined ? '' : `   ${formatVerdict(target)}`;
    const times = at === 0 ? '' : formatRatio(ratio);
    const row = [
      name.padEnd(width),
      formatTime(medianNs).padStart(12),
      `± ${(spread * 100).toFixed(0)} %`.padStart(8),
      times.padStart(10),
    ];
    return `  ${row.join('')}${verdict}`.trimEnd();
  });
  return [`${title} (per ${operation}; × = how many times as fast ours is)`, ...lines].join('\n');
}

function formatVerdict({ ratio, later, held }: Outcome['targets'][number]): string {
  if (later === true) return `later at least ${formatRatio(ratio)}: ${held ? 'held' : 'not yet'}`;
  return `at least ${formatRatio(ratio)}: ${held ? 'held' : 'MISSED'}`;
}

export function formatFacts(facts: Report['facts']): string {
  const width = Math.max(0, ...Object.keys(facts).map((name) => name.length));
  return Object.entries(facts)
    .map(
      ([name, value]) => `  ${name.padEnd(width)}  ${typeof value === 'number' ? value.toLocaleString('en') : value}`,
    )
    .join('\n');
}

export const isHeld = ({ reached, atMost }: Bound): boolean => reached <= atMost;

export function formatBounds(bounds: readonly Bound[]): string {
  const width = Math.max(0, ...bounds.map(({ what }) => what.length));
  return bounds
    .map((bound) => {
      const verdict = isHeld(bound) ? 'held' : 'MISSED';
      return `  ${bound.what.padEnd(width)}  ${bound.reached}   at most ${bound.atMost}: ${verdict}`;
    })
    .join('\n');
}

export function formatTime(ns: number): string {
  if (ns < 1_000) return `${ns.toFixed(ns < 10 ? 1 : 0)} ns`;
  if (ns < 1_000_000) return `${(ns / 1_000).toFixed(2)} µs`;
  return `${(ns / 1_000_000).toFixed(2)} ms`;
}

export function formatRatio(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(2) : Math.round(ratio).toLocaleString('en')}×`;
}

/** The checkout's folder: compiled code lies somewhere below it. */
export function findRoot(folder: string = import.meta.dirname): string {
  const parent = dirname(folder);
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly name?: string };
    if (name === 'telltale') return folder;
  } catch (error) {
    if (parent === folder) throw error;
  }
  return findRoot(parent);
}

// Not every package exports its manifest, so it is read where the package lies.
function versionOf(name: string): string {
  const root = findRoot();
  const file = name === 'telltale' ? join(root, 'package.json') : join(root, 'node_modules', name, 'package.json');
  return (createRequire(import.meta.url)(file) as { readonly version: string }).version;
}
