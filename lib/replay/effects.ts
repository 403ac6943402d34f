import { contentHash } from '../event/content-hash.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { matchesPattern, parsePattern } from '../event/pattern.ts';
import { Fifo } from '../mailbox/fifo.ts';
import type { Store } from '../store/port.ts';
import { Breath } from '../store/read/breath.ts';

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
}

export interface CompareOptions {
  /** Only effects of this pattern, where the original run had more handlers than the replay. @default '**' */
  readonly pattern?: string;
}

/** What is compared. */
export interface Compared {
  readonly causes: readonly string[];
  readonly notCompared: number;
  /** What the replay emitted, in order. */
  readonly emitted: readonly TelltaleEvent[];
}

const PAGE_EVENTS = 1_000;

/**
 * Matches effects by cause, type and place among the effects of that type, and compares what the callers gave:
 * payload, entity, schema version and own metadata. The source may be another, so that a copy of a log can be compared
 * with the program it came from. Costs one look into the index by cause for each told event.
 */
export async function compareEffects(
  store: Store,
  { causes, notCompared, emitted }: Compared,
  options: CompareOptions = {},
): Promise<ReplayComparison> {
  const pattern = parsePattern(options.pattern ?? '**');
  const wanted = (event: TelltaleEvent): boolean => matchesPattern(pattern, event.type);
  const replayedBy = byCause(emitted.filter(wanted));
  const result = { same: 0, missing: [] as StoredEvent[], new: [] as TelltaleEvent[], changed: [] as Pair[] };
  // What a captured event was the cause of (inside `record`) is compared with what its original was the cause of. The
  // list grows while it is walked.
  const work: [original: string | undefined, replayed: string][] = [...new Set(causes)].map((id) => [id, id]);
  const breath = new Breath();
  for (const [original, cause] of work) {
    if (breath.isDue) await breath.take();
    const originals = original === undefined ? [] : (await effectsOf(store, original)).filter(wanted);
    const matched = matchEffects(originals, replayedBy.get(cause) ?? []);
    result.same += matched.same.length;
    result.missing.push(...matched.missing);
    result.new.push(...matched.new);
    result.changed.push(...matched.changed);
    for (const pair of [...matched.same, ...matched.changed])
      if (replayedBy.has(pair.replayed.id)) work.push([pair.original.id, pair.replayed.id]);
    for (const { id } of matched.new) if (replayedBy.has(id)) work.push([undefined, id]);
  }
  return { causes: causes.length, notCompared, ...result };
}

interface Pair {
  readonly original: StoredEvent;
  readonly replayed: TelltaleEvent;
}

interface Matched {
  readonly same: readonly Pair[];
  readonly changed: readonly Pair[];
  readonly missing: readonly StoredEvent[];
  readonly new: readonly TelltaleEvent[];
}

/** Pairs the effects of one cause: the first of a type with the first of that type, and so on. */
export function matchEffects(originals: readonly StoredEvent[], replayed: readonly TelltaleEvent[]): Matched {
  const waiting = new Map<string, Fifo<TelltaleEvent>>();
  for (const event of replayed) {
    const queue = waiting.get(event.type) ?? new Fifo();
    waiting.set(event.type, queue);
    queue.push(event);
  }
  const missing: StoredEvent[] = [];
  const pairs: Pair[] = [];
  for (const original of originals) {
    const match = waiting.get(original.type)?.shift();
    if (match === undefined) missing.push(original);
    else pairs.push({ original, replayed: match });
  }
  const left = new Set([...waiting.values()].flatMap((queue) => [...queue]));
  const isSame = (pair: Pair): boolean => hashOf(pair.original) === hashOf(pair.replayed);
  const same = new Set(pairs.filter(isSame));
  return {
    same: [...same],
    changed: pairs.filter((pair) => !same.has(pair)),
    missing,
    new: replayed.filter((event) => left.has(event)),
  };
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

function hashOf(event: TelltaleEvent): string {
  const { $content: _, ...metadata } = event.metadata;
  return contentHash({ ...event, source: '', metadata });
}
