import { expected } from '../errors.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { parsePath } from '../event/path.ts';
import { matchesPattern, parsePattern } from '../event/pattern.ts';
import { mustKnow } from '../parse-options.ts';
import type { Store } from '../store/port.ts';
import { Slice } from '../store/slice.ts';
import type { Ignored } from './content.ts';
import { matchEffects, type Pair } from './match-effects.ts';

/** What the replay emitted beside what the original run emitted from the same causes. */
export interface ReplayComparison {
  /** Told events that were compared. */
  readonly causes: number;
  /** Told events beyond the bound of 10,000, or behind the last emitted event that was kept: not compared. */
  readonly notCompared: number;
  /** Emitted both times with the same content. */
  readonly same: number;
  /** Emitted originally, not by the replay. */
  readonly missing: readonly StoredEvent[];
  /** Emitted by the replay, not originally. */
  readonly new: readonly TelltaleEvent[];
  /** Emitted both times in the same place with other content. */
  readonly changed: readonly { readonly original: StoredEvent; readonly replayed: TelltaleEvent }[];
  /**
   * Emitted by the replay, and nothing to compare it with: on another bus, or with no told event as its cause. Where
   * some told events were not compared, only those without any cause.
   */
  readonly unattributed: readonly TelltaleEvent[];
}

export interface CompareOptions {
  /** Only effects of this pattern, where the original run had more handlers than the replay. @default '**' */
  readonly pattern?: string;
  /**
   * Dotted paths into `payload` and `metadata` that are not compared: times, random numbers. `durationMs` and the
   * stacks of errors in what `record` adds at its end never are. @default none
   */
  readonly ignore?: readonly string[];
}

/** What is compared. */
export interface Compared {
  /** Ids of the told events. */
  readonly causes: readonly string[];
  readonly notCompared: number;
  /** What the replay emitted, in order; of an event that was told twice, the second time alone. */
  readonly emitted: readonly TelltaleEvent[];
  /** What was emitted on other buses. */
  readonly elsewhere: readonly TelltaleEvent[];
}

/** An original event and what the replay has in its place. */
interface Work {
  readonly original: string | undefined;
  readonly replayed: readonly string[];
  /** Known unless it was told. */
  readonly cause: TelltaleEvent | undefined;
}

const PAGE_EVENTS = 1_000;

/**
 * Matches effects by cause, type and place among the effects of that type, and compares what the callers gave:
 * payload, entity, schema version and own metadata. The source may be another, so that a copy of a log can be compared
 * with the program it came from. Costs one look into the index by cause for each told event. Rejects with
 * `INVALID_OPTION`, `INVALID_PATTERN`, `INVALID_PATH`.
 */
export async function compareEffects(
  store: Store,
  { causes, notCompared, emitted, elsewhere }: Compared,
  options?: CompareOptions,
): Promise<ReplayComparison> {
  const { wanted, ignored } = parseCompare(options);
  const replayedBy = byCause(emitted);
  const told = new Set(causes);
  const attributed = new Set<TelltaleEvent>();
  const compared = new Set<string>();
  const result = { same: 0, missing: [] as StoredEvent[], new: [] as TelltaleEvent[], changed: [] as Pair[] };
  const slice = new Slice();
  for (const id of told) {
    const work: Work[] = compared.has(id) ? [] : [{ original: id, replayed: [id], cause: undefined }];
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      if (slice.isOver) await slice.rest();
      if (next.original !== undefined) compared.add(next.original);
      const originals = next.original === undefined ? [] : await effectsOf(store, next.original);
      const replayed = next.replayed.flatMap((cause) => replayedBy.get(cause) ?? []);
      const matched = matchEffects(originals, replayed, { ignored, cause: next.cause });
      for (const event of replayed) attributed.add(event);
      result.same += matched.same.filter(({ original }) => wanted(original)).length;
      result.missing.push(...matched.missing.filter(wanted));
      result.new.push(...matched.new.filter(wanted));
      result.changed.push(...matched.changed.filter(({ original }) => wanted(original)));
      // What a captured event was the cause of (inside `record`) is compared with what its original was the cause of.
      // Where that was told as well, what came of it then belongs to it too.
      for (const { original, replayed: captured } of [...matched.same, ...matched.changed])
        if (replayedBy.has(captured.id)) {
          const ids = told.has(original.id) ? [captured.id, original.id] : [captured.id];
          work.push({ original: original.id, replayed: ids, cause: original });
        }
      for (const captured of matched.new)
        if (replayedBy.has(captured.id)) work.push({ original: undefined, replayed: [captured.id], cause: captured });
    }
  }
  const isLeft = ({ causationId }: TelltaleEvent): boolean => notCompared === 0 || causationId === undefined;
  const left = emitted.filter((event) => !attributed.has(event) && isLeft(event));
  return { causes: causes.length, notCompared, ...result, unattributed: [...left, ...elsewhere].filter(wanted) };
}

function parseCompare(options: CompareOptions = {}): { wanted: (event: TelltaleEvent) => boolean; ignored: Ignored } {
  mustKnow(options, ['pattern', 'ignore'], 'compare');
  const { ignore = [] } = options;
  if (!Array.isArray(ignore)) throw expected('INVALID_OPTION', '`ignore` of compare', 'a list of dotted paths', ignore);
  const pattern = parsePattern(options.pattern ?? '**');
  return { wanted: ({ type }) => matchesPattern(pattern, type), ignored: ignore.map(parseIgnored) };
}

function parseIgnored(path: unknown): readonly string[] {
  const segments = parsePath(path);
  if (segments.length > 1 && (segments[0] === 'payload' || segments[0] === 'metadata')) return segments;
  throw expected('INVALID_OPTION', 'a path in `ignore` of compare', 'one into payload or metadata', path);
}

/** The original effects of an event: neither what a replay has added nor what the bus says by itself. */
async function effectsOf(store: Store, causationId: string): Promise<readonly StoredEvent[]> {
  const { position: through } = await store.head();
  const found: StoredEvent[] = [];
  for (let after = 0; ;) {
    const page = await store.page({ causationId, after, through, descending: false, limit: PAGE_EVENTS });
    for (const event of page.events) if (event.metadata['$replay'] === undefined) found.push(event);
    if (page.done) return found;
    after = page.looked;
  }
}

function byCause(events: readonly TelltaleEvent[]): Map<string, TelltaleEvent[]> {
  const grouped = new Map<string, TelltaleEvent[]>();
  for (const event of events) {
    if (event.causationId === undefined) continue;
    const group = grouped.get(event.causationId);
    if (group === undefined) grouped.set(event.causationId, [event]);
    else group.push(event);
  }
  return grouped;
}
