import { expected, TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Field } from '../filter/field.ts';
import { parsePathOf } from './grouping.ts';
import { Numbers } from './numbers.ts';

/** What is asked of each group; every value but that of `count` is a path into the event. */
export interface Measures<Path = string, NumberPath = string> {
  /** Always in the rows; naming it first makes it what `top` goes by. */
  readonly count?: true;
  readonly sum?: NumberPath;
  readonly avg?: NumberPath;
  readonly min?: NumberPath;
  readonly max?: NumberPath;
  /** By nearest rank: exact up to 1,000 numbers in a group, then within 1 % (DDSketch). */
  readonly p50?: NumberPath;
  readonly p95?: NumberPath;
  readonly p99?: NumberPath;
  /** The value of the event with the lowest position that has one. Any value, not only numbers. */
  readonly first?: Path;
  readonly last?: Path;
}

/** The figures of one group. A figure over no number at all is absent. */
export interface Measured {
  readonly count: number;
  readonly sum?: number;
  readonly avg?: number;
  readonly min?: number;
  readonly max?: number;
  readonly p50?: number;
  readonly p95?: number;
  readonly p99?: number;
  readonly first?: unknown;
  readonly last?: unknown;
  /** How often a path that a number was asked of had none; only where there were some. */
  readonly skipped?: number;
}

export const MEASURES = ['count', 'sum', 'avg', 'min', 'max', 'p50', 'p95', 'p99', 'first', 'last'] as const;

export type Measure = (typeof MEASURES)[number];

const PERCENTILES: ReadonlySet<Measure> = new Set(['p50', 'p95', 'p99']);
const PLACES: ReadonlySet<Measure> = new Set(['first', 'last']);

/** Measures that have been checked. */
export interface ParsedMeasures {
  /** In the caller's order; `count` where nothing is asked. */
  readonly names: readonly Measure[];
  /** Each path that numbers are asked of, once. */
  readonly numbers: readonly { readonly field: Field; readonly quantiles: boolean }[];
  /** For each measure of `names`: its place in `numbers`. */
  readonly numberOf: ReadonlyMap<Measure, number>;
  readonly first: Field | undefined;
  readonly last: Field | undefined;
  /** Whether a group keeps more than a few numbers. */
  readonly isLarge: boolean;
}

/** Throws `INVALID_QUERY`, `INVALID_PATH`. */
export function parseMeasures(options: Measures): ParsedMeasures {
  const given = Object.keys(options).filter(
    (key): key is Measure => MEASURES.includes(key as Measure) && options[key as Measure] !== undefined,
  );
  if (options.count !== undefined && (options.count as unknown) !== true)
    throw expected('INVALID_QUERY', '`count`', 'true', options.count);
  const paths = new Map(given.filter((name) => name !== 'count').map((name) => [name, pathOf(options, name)]));
  const numeric = [...paths].filter(([name]) => !PLACES.has(name));
  const distinct = [...new Set(numeric.map(([, field]) => field.path))];
  const numbers = distinct.map((path) => {
    const asked = numeric.filter(([, field]) => field.path === path);
    return { field: asked[0]![1], quantiles: asked.some(([name]) => PERCENTILES.has(name)) };
  });
  return {
    names: given.length === 0 ? ['count'] : given,
    numbers,
    numberOf: new Map(numeric.map(([name, field]) => [name, distinct.indexOf(field.path)])),
    first: paths.get('first'),
    last: paths.get('last'),
    isLarge: given.some((name) => PERCENTILES.has(name) || PLACES.has(name)),
  };
}

function pathOf(options: Measures, name: Measure): Field {
  const path: unknown = options[name];
  if (typeof path === 'string') return parsePathOf(path, name);
  throw expected('INVALID_QUERY', `\`${name}\``, 'a path such as payload.ms', path);
}

/** What `top` goes by: the first measure, which must be a number. Throws `INVALID_QUERY`. */
export function leadingOf({ names }: ParsedMeasures): Measure {
  const name = names[0]!;
  if (!PLACES.has(name)) return name;
  const text = `expected the first measure to be a number where \`top\` is given, got \`${name}\`: name \`count\` or a figure before it`;
  throw new TelltaleError('INVALID_QUERY', text);
}

/** One group while it is counted. */
export class Tally {
  readonly #measures: ParsedMeasures;
  readonly #numbers: readonly Numbers[];
  #count = 0;
  #skipped = 0;
  #first: Sighting | undefined;
  #last: Sighting | undefined;

  constructor(measures: ParsedMeasures) {
    this.#measures = measures;
    this.#numbers = measures.numbers.map(({ quantiles }) => new Numbers(quantiles));
  }

  add(event: StoredEvent): void {
    const { numbers, first, last } = this.#measures;
    this.#count++;
    for (let i = 0; i < numbers.length; i++) {
      const value = numbers[i]!.field.read(event);
      if (typeof value === 'number') this.#numbers[i]!.add(value);
      else this.#skipped++;
    }
    if (first && this.#first === undefined) this.#first = sightingOf(first, event);
    if (last) this.#last = sightingOf(last, event) ?? this.#last;
  }

  /** What somebody else has counted: events, and the span of each path that numbers are asked of, which all of them have. */
  addCounted(count: number, spans: readonly { readonly min: number; readonly max: number }[]): void {
    this.#count += count;
    spans.forEach(({ min, max }, i) => this.#numbers[i]!.addSpan(count, min, max));
  }

  merge(other: Tally): void {
    this.#count += other.#count;
    this.#skipped += other.#skipped;
    this.#numbers.forEach((numbers, i) => numbers.merge(other.#numbers[i]!));
    this.#first = [this.#first, other.#first].filter(isThere).toSorted(byPosition)[0];
    this.#last = [this.#last, other.#last].filter(isThere).toSorted(byPosition).at(-1);
  }

  /** A figure; −∞ where there is none, so that it sorts last. */
  rank(name: Measure): number {
    return name === 'count' ? this.#count : (this.#figure(name) ?? -Infinity);
  }

  take(): Measured {
    const figures: Record<string, unknown> = {};
    for (const [name] of this.#measures.numberOf) {
      const value = this.#figure(name);
      if (value !== undefined) figures[name] = value;
    }
    return {
      count: this.#count,
      ...figures,
      ...(this.#first && { first: this.#first.value }),
      ...(this.#last && { last: this.#last.value }),
      ...(this.#skipped > 0 && { skipped: this.#skipped }),
    };
  }

  #figure(name: Measure): number | undefined {
    return this.#numbers[this.#measures.numberOf.get(name)!]!.figure(
      name as Exclude<Measure, 'count' | 'first' | 'last'>,
    );
  }
}

interface Sighting {
  readonly value: unknown;
  readonly position: number;
}

function sightingOf(field: Field, event: StoredEvent): Sighting | undefined {
  const value = field.read(event);
  return value === undefined ? undefined : { value, position: event.position };
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

function byPosition(a: Sighting, b: Sighting): number {
  return a.position - b.position;
}
