import { expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { matchesPattern, parsePattern } from '../event/pattern.ts';
import { mustKnow } from '../parse-options.ts';
import type { Store } from '../store/port.ts';
import { parseSelection, SELECTION, type ParsedSelection, type Selection } from '../store/read/selection.ts';
import { Best } from '../store/read/best.ts';
import { parsePathOf } from './grouping.ts';
import { keyFunction } from './key-function.ts';
import { lookThrough } from '../store/read/look-through.ts';
import { Numbers } from './numbers.ts';
import { markOf, Pairing, type DurationMark, type DurationPair, type PairingOptions } from './pairing.ts';
import { Quantiles } from './quantiles.ts';
import type { HistoryOptions } from './query.ts';

export interface DurationsOptions<Path = string, Event = StoredEvent> extends Omit<Selection, 'pattern' | 'type'> {
  /** What begins: one pattern or several. */
  readonly start: string | readonly string[];
  /** What ends it: `['tool.finished', 'tool.failed']`. Where it is also a `start`, it ends one and begins the next. */
  readonly end: string | readonly string[];
  /**
   * What an end has in common with its beginning: a field, a path or a function of the event. `'causationId'` means
   * that the beginning is the end's direct cause.
   * @default the beginning that is its direct cause, as `bus.record` writes it; else the nearest one of the same correlation
   */
  readonly by?: Path | ((event: Event) => unknown);
  /** How many pairs, unfinished and orphans are listed, 0 to 10,000. @default 100 */
  readonly limit?: number;
}

/** Figures in ms of event time; absent where there is no pair. Percentiles are exact up to 10,000 pairs, then within 1 %. */
export interface Durations {
  /** Pairs that are in the figures. */
  readonly count: number;
  readonly minMs?: number;
  readonly avgMs?: number;
  readonly p50Ms?: number;
  readonly p95Ms?: number;
  readonly p99Ms?: number;
  readonly maxMs?: number;
  /** The longest first. */
  readonly pairs: readonly DurationPair[];
  /** What never ended, in position order. */
  readonly unfinished: { readonly count: number; readonly events: readonly DurationMark[] };
  /** Ends without a beginning, in position order. */
  readonly orphans: { readonly count: number; readonly events: readonly DurationMark[] };
  /** Pairs whose end bears an earlier time than their beginning: clocks that disagree. They are in no figure. */
  readonly negative: { readonly count: number; readonly pairs: readonly DurationPair[] };
}

const KEYS = [...SELECTION.filter((key) => key !== 'pattern' && key !== 'type'), 'start', 'end', 'by', 'limit'];
const MAX_LIMIT = 10_000;
const DEFAULT_LIMIT = 100;
const EXACT = 10_000;
const MAX_PATTERNS = 100;
const MEMO_LIMIT = 1_000;

interface ParsedDurations {
  readonly selection: ParsedSelection;
  readonly isStart: (type: string) => boolean;
  readonly isEnd: (type: string) => boolean;
  readonly pairing: PairingOptions;
  readonly limit: number;
}

/**
 * How long things took. Beginnings and ends are paired in position order and measured by their own times; an end belongs
 * to the nearest unmatched beginning before it (runs of one key that nest come out nested). Rejects with `INVALID_QUERY`
 * for wrong options and where more than 50,000 beginnings wait for an end at once, and with what `keyFunction` throws.
 */
export async function durations(
  store: Store,
  options: DurationsOptions,
  { clock }: HistoryOptions = {},
): Promise<Durations> {
  const { selection, isStart, isEnd, pairing: how, limit } = parseDurations(options);
  const pairing = new Pairing(how);
  const figures = new Figures(limit);
  const look = (event: StoredEvent): void => {
    if (isEnd(event.type)) {
      const pair = pairing.end(event);
      // What is an end only has no business without a beginning; what begins as well may be the first of its kind.
      if (pair) figures.add(pair);
      else if (!isStart(event.type)) figures.addOrphan(event);
    }
    if (isStart(event.type)) pairing.begin(event);
  };
  await lookThrough(store, selection, look, clock);
  return figures.take(pairing);
}

function parseDurations(options: DurationsOptions): ParsedDurations {
  if (typeof options !== 'object' || options === null)
    throw expected('INVALID_QUERY', 'the argument of `durations`', 'an object of options', options);
  mustKnow(options, KEYS, 'durations', 'INVALID_QUERY');
  const { start, end, by, limit = DEFAULT_LIMIT, ...selection } = options;
  const starts = parsePatterns(start, 'start');
  const ends = parsePatterns(end, 'end');
  if (!(Number.isInteger(limit) && limit >= 0 && limit <= MAX_LIMIT))
    throw expected('INVALID_QUERY', '`limit`', `an integer from 0 to ${MAX_LIMIT}`, limit);
  const parsed = parseSelection(selection, 'durations');
  const either = { type: { $in: [...starts, ...ends] } };
  return {
    // The patterns say which events of the bus itself are meant, if any.
    selection: {
      ...parsed,
      where: parsed.where === undefined ? either : { $and: [parsed.where, either] },
      withoutReserved: false,
    },
    isStart: matcherOf(starts),
    isEnd: matcherOf(ends),
    pairing: parseBy(by),
    limit,
  };
}

function parsePatterns(given: unknown, name: string): readonly string[] {
  const patterns = Array.isArray(given) ? (given as readonly unknown[]) : [given];
  if (given === undefined || patterns.length === 0 || patterns.length > MAX_PATTERNS)
    throw expected('INVALID_QUERY', `\`${name}\``, `a pattern or an array of 1 to ${MAX_PATTERNS} patterns`, given);
  return patterns.map((pattern) => parsePattern(pattern).text);
}

function matcherOf(texts: readonly string[]): (type: string) => boolean {
  const patterns = texts.map((text) => parsePattern(text));
  const known = new Map<string, boolean>();
  return (type) => {
    let answer = known.get(type);
    if (answer === undefined) {
      if (known.size >= MEMO_LIMIT) known.clear();
      answer = patterns.some((pattern) => matchesPattern(pattern, type));
      known.set(type, answer);
    }
    return answer;
  };
}

function parseBy(by: unknown): PairingOptions {
  if (by === undefined) return { byCause: true, keyOf: ({ correlationId }) => correlationId };
  if (by === 'causationId') return { byCause: true, keyOf: () => undefined };
  if (typeof by === 'function') return { byCause: false, keyOf: keyFunction(by as (event: StoredEvent) => unknown) };
  if (typeof by !== 'string') throw expected('INVALID_QUERY', '`by`', 'a path or a function of the event', by);
  const field = parsePathOf(by, 'by');
  return { byCause: false, keyOf: (event) => field.read(event) };
}

class Figures {
  readonly #limit: number;
  readonly #numbers = new Numbers(false);
  readonly #quantiles = new Quantiles(EXACT);
  readonly #longest: Best<DurationPair>;
  readonly #negative: DurationPair[] = [];
  readonly #orphans: DurationMark[] = [];
  #negativeCount = 0;
  #orphanCount = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#longest = new Best(limit, (a, b) => b.durationMs - a.durationMs);
  }

  add(pair: DurationPair): void {
    if (pair.durationMs < 0) {
      this.#negativeCount++;
      if (this.#negative.length < this.#limit) this.#negative.push(pair);
      return;
    }
    this.#numbers.add(pair.durationMs);
    this.#quantiles.add(pair.durationMs);
    this.#longest.add(pair);
  }

  addOrphan(event: StoredEvent): void {
    this.#orphanCount++;
    if (this.#orphans.length < this.#limit) this.#orphans.push(markOf(event));
  }

  take(pairing: Pairing): Durations {
    const unfinished: DurationMark[] = [];
    for (const mark of pairing.unfinished()) {
      if (unfinished.length >= this.#limit) break;
      unfinished.push(mark);
    }
    return {
      count: this.#quantiles.count,
      ...this.#stats(),
      pairs: this.#longest.take(),
      unfinished: { count: pairing.unfinishedCount, events: unfinished },
      orphans: { count: this.#orphanCount, events: this.#orphans },
      negative: { count: this.#negativeCount, pairs: this.#negative },
    };
  }

  #stats(): object {
    if (this.#quantiles.count === 0) return {};
    return {
      minMs: this.#numbers.figure('min'),
      avgMs: this.#numbers.figure('avg'),
      p50Ms: this.#quantiles.at(0.5),
      p95Ms: this.#quantiles.at(0.95),
      p99Ms: this.#quantiles.at(0.99),
      maxMs: this.#numbers.figure('max'),
    };
  }
}
