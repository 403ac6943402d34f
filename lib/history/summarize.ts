import type { Clock } from '../clock.ts';
import { toMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { isEnvelopeField } from '../filter/field.ts';
import type { Store, TallyGroup } from '../store/port.ts';
import { parseSelection, type ParsedSelection, type Selection } from '../store/read/selection.ts';
import { keyOf, parseGrouping, type GroupKey, type Grouping } from './grouping.ts';
import { Keyed } from './keyed.ts';
import { lookThrough, paced } from '../store/read/look-through.ts';
import { isNumberField, tallyStored } from '../store/read/tally.ts';
import { resolveWindow } from '../store/read/window.ts';
import {
  leadingOf,
  MEASURES,
  parseMeasures,
  Tally,
  type Measure,
  type Measured,
  type Measures,
  type ParsedMeasures,
} from './measures.ts';
import type { HistoryOptions } from './query.ts';

/** What is summarized and how; the measures may be asked for together: `{ count: true, sum: 'payload.cost' }`. */
export interface SummarizeOptions<Path = string, NumberPath = string> extends Selection, Measures<Path, NumberPath> {
  /**
   * A field or path, or up to eight: `'type'`, `['payload.tool', 'source']`. Values are told apart as JSON, so 1 is not
   * '1', and what is missing is a group of its own. @default one group
   */
  readonly by?: Path | readonly Path[];
  /** Splits groups by the events' own `time`, into whole units since 1970 UTC: `'1h'`, `'1d'`. At least 1 ms. */
  readonly bucket?: Duration;
  /** Only the n largest rows by the first measure named, 1 to 10,000; `rest` holds the others. */
  readonly top?: number;
}

export interface SummaryRow extends Measured {
  /** The values of `by`, in its order; undefined where the events have none. Empty without `by`. */
  readonly key: readonly unknown[];
  /** Where the row's bucket begins, epoch ms. A bucket without events has no row. */
  readonly from?: number;
}

export interface Summary {
  /** By bucket, if any, then by the first measure, the largest first. */
  readonly rows: readonly SummaryRow[];
  /** How many events were summarized. */
  readonly events: number;
  /** What `top` left out, taken together; absent where it left out nothing. */
  readonly rest?: Measured & { readonly rows: number };
}

/** What a store gives exactly as it comes out here. */
const COUNTABLE: ReadonlySet<Measure> = new Set<Measure>(['count', 'min', 'max']);
const MAX_ROWS = 10_000;
const SORTED_ROWS = 4_000;
/** With `top`, which of them are the largest is known only at the end. */
const MAX_GROUPS = 50_000;

interface Group {
  readonly key: readonly unknown[];
  readonly from: number | undefined;
  readonly tally: Tally;
}

interface ParsedSummarize {
  readonly selection: ParsedSelection;
  readonly grouping: Grouping;
  readonly bucketMs: number | undefined;
  readonly measures: ParsedMeasures;
  readonly leading: Measure;
  readonly top: number | undefined;
}

/**
 * Groups events and gives figures of each group, in one pass over the log. Rejects with `INVALID_QUERY` for wrong
 * options, and where there are more than 10,000 rows (with `top` of plain figures 50,000): narrow the selection, take a
 * wider `bucket` or a coarser `by`.
 */
export async function summarize(
  store: Store,
  options: SummarizeOptions = {},
  { clock }: HistoryOptions = {},
): Promise<Summary> {
  const parsed = parseSummarize(options);
  const { top, measures } = parsed;
  const max = top === undefined || measures.isLarge ? MAX_ROWS : MAX_GROUPS;
  const { groups, events } =
    (await countInStore(store, parsed, max, clock)) ?? (await countEvents(store, parsed, max, clock));
  const { kept, left } = await largest([...groups.all()], parsed);
  const rest = left.length === 0 ? undefined : await together(left, measures);
  const rows: SummaryRow[] = [];
  await paced(kept, ({ key, from, tally }) => rows.push({ key, ...(from !== undefined && { from }), ...tally.take() }));
  return {
    rows,
    events,
    ...(rest && { rest: { rows: left.length, ...rest.take() } }),
  };
}

function parseSummarize(options: SummarizeOptions): ParsedSummarize {
  const selection = parseSelection(options, 'summarize', ['by', 'bucket', 'top', ...MEASURES]);
  const { by, bucket, top } = options;
  if (top !== undefined && !(Number.isInteger(top) && top >= 1 && top <= MAX_ROWS))
    throw expected('INVALID_QUERY', '`top`', `an integer from 1 to ${MAX_ROWS}`, top);
  const measures = parseMeasures(options);
  return {
    selection,
    grouping: parseGrouping(by),
    bucketMs: bucket === undefined ? undefined : parseBucket(bucket),
    measures,
    leading:
      top === undefined
        ? (measures.names.find((name) => name !== 'first' && name !== 'last') ?? 'count')
        : leadingOf(measures),
    top,
  };
}

/** Throws `INVALID_DURATION`, and `INVALID_QUERY` for less than a millisecond. */
export function parseBucket(bucket: Duration): number {
  const bucketMs = toMs(bucket, 'bucket');
  if (bucketMs < 1) throw expected('INVALID_QUERY', '`bucket`', 'a duration from 1 ms', bucket);
  return bucketMs;
}

interface Counted {
  readonly groups: Groups;
  readonly events: number;
}

/** Looks at every event of the selection. */
async function countEvents(store: Store, parsed: ParsedSummarize, max: number, clock?: Clock): Promise<Counted> {
  const { grouping, bucketMs, measures, selection } = parsed;
  const groups = new Groups(max, measures);
  let events = 0;
  const look = (event: StoredEvent): void => {
    events++;
    const from = bucketMs === undefined ? undefined : Math.floor(event.time / bucketMs) * bucketMs;
    groups.tallyOf(grouping.of(event), from).add(event);
  };
  await lookThrough(store, selection, look, clock);
  return { groups, events };
}

/** Lets the store count, where nothing but fields of the envelope is asked for; `undefined` where it cannot. */
async function countInStore(
  store: Store,
  { grouping, bucketMs, measures, selection }: ParsedSummarize,
  max: number,
  clock?: Clock,
): Promise<Counted | undefined> {
  const numbers = measures.numbers.map(({ field }) => field.path);
  if (!grouping.paths.every(isEnvelopeField) || !numbers.every(isNumberField)) return undefined;
  if (measures.names.some((name) => !COUNTABLE.has(name))) return undefined;
  const groups = new Groups(max, measures);
  let events = 0;
  const add = ({ key, from, count, spans }: TallyGroup): void => {
    events += count;
    groups.tallyOf(keyOf(key), from).addCounted(count, spans);
  };
  const asked = { by: grouping.paths, numbers, limit: max + 1, ...(bucketMs !== undefined && { bucketMs }) };
  const window = await resolveWindow(selection, store, clock);
  return (await tallyStored(store, { ...selection, window }, asked, add)) ? { groups, events } : undefined;
}

/** Groups by bucket and key. */
class Groups {
  readonly #measures: ParsedMeasures;
  readonly #keyed: Keyed<Group>;

  constructor(max: number, measures: ParsedMeasures) {
    this.#measures = measures;
    this.#keyed = new Keyed(max, 'summarize', 'rows');
  }

  all(): Iterable<Group> {
    return this.#keyed.all();
  }

  /** Throws `INVALID_QUERY` for one group too many. */
  tallyOf({ text, values: key }: GroupKey, from: number | undefined): Tally {
    const make = (): Group => ({ key, from, tally: new Tally(this.#measures) });
    return this.#keyed.get(from === undefined ? text : `${from} ${text}`, make).tally;
  }
}

interface Ranked {
  readonly group: Group;
  readonly rank: number;
  readonly serial: number;
}

/** The rows that are answered, in order, and the rest. */
async function largest(
  groups: readonly Group[],
  { leading, top }: ParsedSummarize,
): Promise<{ readonly kept: readonly Group[]; readonly left: readonly Group[] }> {
  const ranked: Ranked[] = [];
  await paced(groups, (group) => ranked.push({ group, rank: group.tally.rank(leading), serial: ranked.length }));
  const kept = await bestOf(ranked, top ?? ranked.length);
  const chosen = new Set(kept);
  const left = ranked.filter((each) => !chosen.has(each)).map(({ group }) => group);
  // Within a bucket the order of rank stays, because sorting is stable.
  const rows = kept.map(({ group }) => group).toSorted((a, b) => (a.from ?? 0) - (b.from ?? 0));
  return { kept: rows, left };
}

// A sort cannot be interrupted, so it gets only so many at once; what is sorted already costs little.
async function bestOf(ranked: readonly Ranked[], wanted: number): Promise<readonly Ranked[]> {
  let best: Ranked[] = [];
  for (let at = 0; at < ranked.length; at += SORTED_ROWS) {
    best = [...best, ...ranked.slice(at, at + SORTED_ROWS)].toSorted(byRank).slice(0, wanted);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return best;
}

// What was met first comes first among equals; −∞ minus −∞ is not a number.
function byRank(a: Ranked, b: Ranked): number {
  if (a.rank === b.rank) return a.serial - b.serial;
  return a.rank > b.rank ? -1 : 1;
}

async function together(groups: readonly Group[], measures: ParsedMeasures): Promise<Tally> {
  const all = new Tally(measures);
  await paced(groups, ({ tally }) => all.merge(tally));
  return all;
}
