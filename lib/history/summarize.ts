import { toMs, type Duration } from '../duration.ts';
import { expected, TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Store } from '../store/port.ts';
import { parseSelection, type ParsedSelection, type Selection } from '../store/read/selection.ts';
import { parseGrouping, type Grouping } from './grouping.ts';
import { lookThrough, paced } from './look-through.ts';
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
export interface SummarizeOptions extends Selection, Measures {
  /**
   * A field or path, or up to eight: `'type'`, `['payload.tool', 'source']`. Values are told apart as JSON, so 1 is not
   * '1', and what is missing is a group of its own. @default one group
   */
  readonly by?: string | readonly string[];
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

const MAX_ROWS = 10_000;
/** With `top`, which of them are the largest is known only at the end. */
const MAX_GROUPS = 50_000;
const MAX_KEY_LENGTH = 16 * 1024 * 1024;

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
  const groups = new Groups(parsed);
  let events = 0;
  const look = (event: StoredEvent): void => {
    events++;
    groups.add(event);
  };
  await lookThrough(store, parsed.selection, look, clock);
  const { kept, left } = await largest([...groups.all()], parsed);
  const rest = left.length === 0 ? undefined : await together(left, parsed.measures);
  return {
    rows: kept.map(({ key, from, tally }) => ({ key, ...(from !== undefined && { from }), ...tally.take() })),
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

/** Rows by bucket and key. */
class Groups {
  readonly #parsed: ParsedSummarize;
  readonly #max: number;
  readonly #groups = new Map<string, Group>();
  #keyLength = 0;

  constructor(parsed: ParsedSummarize) {
    this.#parsed = parsed;
    this.#max = parsed.top === undefined || parsed.measures.isLarge ? MAX_ROWS : MAX_GROUPS;
  }

  all(): Iterable<Group> {
    return this.#groups.values();
  }

  add(event: StoredEvent): void {
    const { grouping, bucketMs } = this.#parsed;
    const key = grouping(event);
    const from = bucketMs === undefined ? undefined : Math.floor(event.time / bucketMs) * bucketMs;
    const text = from === undefined ? key.text : `${from} ${key.text}`;
    const group = this.#groups.get(text) ?? this.#create(text, key.values, from);
    group.tally.add(event);
  }

  #create(text: string, key: readonly unknown[], from: number | undefined): Group {
    this.#keyLength += text.length;
    if (this.#groups.size >= this.#max || this.#keyLength > MAX_KEY_LENGTH) {
      const met = this.#groups.size >= this.#max ? `more than ${this.#max} rows` : 'keys of more than 16 MiB';
      throw new TelltaleError(
        'INVALID_QUERY',
        `summarize met ${met}: narrow the selection, take a wider \`bucket\`, a coarser \`by\` or \`top\``,
        { details: { rows: this.#groups.size, max: this.#max } },
      );
    }
    const group = { key, from, tally: new Tally(this.#parsed.measures) };
    this.#groups.set(text, group);
    return group;
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

// At most twice 10,000 are sorted at once, a few milliseconds.
async function bestOf(ranked: readonly Ranked[], wanted: number): Promise<readonly Ranked[]> {
  let best: Ranked[] = [];
  for (let at = 0; at < ranked.length; at += MAX_ROWS) {
    best = [...best, ...ranked.slice(at, at + MAX_ROWS)].toSorted(byRank).slice(0, wanted);
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
