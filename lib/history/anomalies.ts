import type { Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Store } from '../store/port.ts';
import { parseSelection, type ParsedSelection, type Selection } from '../store/read/selection.ts';
import { Best } from '../store/read/best.ts';
import { Gaps, type GapAnomaly } from './gaps.ts';
import { parseGrouping, type Grouping } from './grouping.ts';
import { InOrder } from './in-order.ts';
import { Keyed, tooMany } from './keyed.ts';
import { lookThrough, paced } from '../store/read/look-through.ts';
import type { HistoryOptions } from './query.ts';
import { Rate, type Judgement, type RateAnomaly } from './rate.ts';
import { parseBucket } from './summarize.ts';

export interface AnomaliesOptions<Path = string> extends Selection {
  /** What is judged by itself: a field or path, or up to eight. @default 'type' */
  readonly by?: Path | readonly Path[];
  /** Over how long events are counted, in whole units since 1970 UTC. At least 1 ms. @default '1h' */
  readonly bucket?: Duration;
  /** From which score on something is told, above 0. @default 3.5 */
  readonly threshold?: number;
  /** With fewer buckets, or fewer gaps, a key is not judged; from 3. @default 10 */
  readonly minSamples?: number;
  /** How many are listed, 1 to 10,000. @default 100 */
  readonly limit?: number;
}

export type Anomaly = RateAnomaly | GapAnomaly;

export interface Anomalies {
  /** The most unusual first; of the gaps of one key at most the ten longest. */
  readonly anomalies: readonly Anomaly[];
  /** How many there are; above 1,000 gaps of one key within 1 %. */
  readonly found: number;
  /** How many keys were looked at. */
  readonly keys: number;
  /** Keys with too few buckets and too few gaps to say anything. */
  readonly unjudged: number;
  /** Events whose time lies before that of events more than 5,000 later: their gaps are not known. */
  readonly late: number;
}

const OWN_KEYS = ['by', 'bucket', 'threshold', 'minSamples', 'limit'];
const MAX_LIMIT = 10_000;
const MAX_KEYS = 10_000;
const MAX_BUCKETS = 65_536;
const OUT_OF_ORDER = 5_000;

interface ParsedAnomalies {
  readonly selection: ParsedSelection;
  readonly grouping: Grouping;
  readonly bucketMs: number;
  readonly judgement: Judgement;
  readonly limit: number;
}

/**
 * Spans of time with unusually many or few events, and unusually long silences, by robust z-score; see `spread.ts`.
 * One pass over the log. Rejects with `INVALID_QUERY` for wrong options, and where there are more than 10,000 keys or
 * more than 65,536 buckets with events over all keys: take a wider `bucket` or a coarser `by`.
 */
export async function anomalies(
  store: Store,
  options: AnomaliesOptions = {},
  { clock }: HistoryOptions = {},
): Promise<Anomalies> {
  const { selection, grouping, bucketMs, judgement, limit } = parseAnomalies(options);
  const watch = new Watch(grouping, bucketMs);
  await lookThrough(store, selection, (event) => watch.add(event), clock);
  watch.end();
  const best = new Best<Anomaly>(limit, (a, b) => Math.abs(b.score) - Math.abs(a.score));
  let found = 0;
  let unjudged = 0;
  await paced(watch.keys(), ({ key, rate, gaps }) => {
    const unusual = rate.anomalies(key, judgement);
    const silent = gaps.anomalies(key, judgement);
    if (!unusual && !silent) unjudged++;
    found += (unusual?.length ?? 0) + (silent?.found ?? 0);
    for (const anomaly of [...(unusual ?? []), ...(silent?.listed ?? [])]) best.add(anomaly);
  });
  return { anomalies: best.take(), found, keys: watch.size, unjudged, late: watch.late };
}

function parseAnomalies(options: AnomaliesOptions): ParsedAnomalies {
  const selection = parseSelection(options, 'anomalies', OWN_KEYS);
  const { by = 'type', bucket = '1h', threshold = 3.5, minSamples = 10, limit = 100 } = options;
  if (!(Number.isFinite(threshold) && threshold > 0))
    throw expected('INVALID_QUERY', '`threshold`', 'a number above 0', threshold);
  if (!(Number.isInteger(minSamples) && minSamples >= 3))
    throw expected('INVALID_QUERY', '`minSamples`', 'an integer from 3', minSamples);
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT))
    throw expected('INVALID_QUERY', '`limit`', `an integer from 1 to ${MAX_LIMIT}`, limit);
  const judgement = { threshold, minSamples };
  return { selection, grouping: parseGrouping(by), bucketMs: parseBucket(bucket), judgement, limit };
}

interface Watched {
  readonly key: readonly unknown[];
  readonly rate: Rate;
  readonly gaps: Gaps;
}

/** Rates and gaps by key. Rates need no order; gaps do, and times do not follow positions. */
class Watch {
  readonly #grouping: Grouping;
  readonly #bucketMs: number;
  readonly #watched = new Keyed<Watched>(MAX_KEYS, 'anomalies', 'keys');
  readonly #inOrder = new InOrder<{ readonly time: number; readonly gaps: Gaps }>(
    OUT_OF_ORDER,
    (a, b) => a.time - b.time,
    ({ time, gaps }) => {
      if (!gaps.add(time)) this.late++;
    },
  );
  #buckets = 0;
  late = 0;

  constructor(grouping: Grouping, bucketMs: number) {
    this.#grouping = grouping;
    this.#bucketMs = bucketMs;
  }

  get size(): number {
    return this.#watched.size;
  }

  keys(): Iterable<Watched> {
    return this.#watched.all();
  }

  add(event: StoredEvent): void {
    const { text, values: key } = this.#grouping.of(event);
    const { rate, gaps } = this.#watched.get(text, () => ({ key, rate: new Rate(this.#bucketMs), gaps: new Gaps() }));
    if (rate.add(event.time) && ++this.#buckets > MAX_BUCKETS)
      throw tooMany('anomalies', `${MAX_BUCKETS} buckets with events`, MAX_BUCKETS);
    this.#inOrder.add({ time: event.time, gaps });
  }

  end(): void {
    this.#inOrder.end();
  }
}
