import { contentHash, metadataText, payloadText } from '../../lib/plugin.ts';
import type { PendingAppend, TelltaleEvent } from '../../lib/plugin.ts';
import { bigintArray, floatArray, intArray, textArray } from './arrays.ts';

/** What a group commit takes for granted about its entities: the revision before it, -1 for any, and how many follow. */
interface Stream {
  readonly place: number;
  expected: number;
  count: number;
}

/** One group commit, still without positions; the log checks what it takes for granted. */
export interface CommitRows {
  readonly streams: readonly string[];
  /** In the order of the function's parameters, but for the time. */
  readonly parameters: readonly unknown[];
}

/**
 * The rows of appends of which the log is to take all or nothing, each with its distance from where its entity stands.
 * `undefined` where they cannot all hold together, or have to be decided within the log: then one looks there first.
 */
export function commitRows(appends: readonly PendingAppend[]): CommitRows | undefined {
  const streams = new Map<string, Stream>();
  const events: TelltaleEvent[] = [];
  const asked: string[] = [];
  const distances: number[] = [];
  for (const append of appends) {
    if (append.events.length === 0 || typeof append.expect === 'object' || !expects(append, streams)) return undefined;
    for (const event of append.events) {
      events.push(event);
      if (!append.fresh) asked.push(event.id);
      distances.push(follow(event, streams));
    }
  }
  if (asked.length > 0 && hasRepeated(events)) return undefined;
  return { streams: [...streams.keys()], parameters: parametersOf(events, { asked, streams, distances }) };
}

/** Notes what an append expects of its entity; false where earlier ones of the commit, or it itself, forbid it. */
function expects({ events, expect }: PendingAppend, streams: Map<string, Stream>): boolean {
  if (expect === undefined || expect === 'any') return true;
  const { entity } = events[0]!;
  const wanted = expect === 'none' ? 0 : expect;
  if (entity === undefined || typeof wanted !== 'number' || !Number.isSafeInteger(wanted) || wanted < 0) return false;
  const stream = streamOf(entity, streams);
  const before = wanted - stream.count;
  if (before < 0 || (stream.expected >= 0 && stream.expected !== before)) return false;
  stream.expected = before;
  return true;
}

/** How far the event's revision is from that of its entity before the commit; 0 without entity. */
function follow({ entity }: TelltaleEvent, streams: Map<string, Stream>): number {
  return entity === undefined ? 0 : ++streamOf(entity, streams).count;
}

function streamOf(entity: string, streams: Map<string, Stream>): Stream {
  let stream = streams.get(entity);
  if (stream === undefined) streams.set(entity, (stream = { place: streams.size + 1, expected: -1, count: 0 }));
  return stream;
}

function hasRepeated(events: readonly TelltaleEvent[]): boolean {
  return events.length > 1 && new Set(events.map(({ id }) => id)).size < events.length;
}

function parametersOf(
  events: readonly TelltaleEvent[],
  commit: {
    readonly asked: readonly string[];
    readonly streams: ReadonlyMap<string, Stream>;
    readonly distances: readonly number[];
  },
): unknown[] {
  const { asked, streams, distances } = commit;
  const known = [...streams.values()];
  const texts = (field: (event: TelltaleEvent) => string | null): Buffer => textArray(events.map(field));
  return [
    textArray(asked),
    textArray([...streams.keys()]),
    bigintArray(known.map(({ expected }) => expected)),
    intArray(known.map(({ count }) => count)),
    texts(({ id }) => id),
    texts(({ type }) => type),
    texts(({ source }) => source),
    floatArray(events.map(({ time }) => time)),
    texts(({ entity }) => entity ?? null),
    intArray(events.map(({ entity }) => (entity === undefined ? 0 : streams.get(entity)!.place))),
    intArray(distances),
    texts(({ correlationId }) => correlationId),
    texts(({ causationId }) => causationId ?? null),
    bigintArray(events.map(({ schemaVersion }) => schemaVersion)),
    texts(({ payload }) => payloadText(payload)),
    texts(({ metadata }) => metadataText(metadata)),
    texts(contentHash),
  ];
}
