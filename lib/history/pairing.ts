import { TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { keyText } from './grouping.ts';

/** One end of a duration, in short. */
export type DurationMark = Pick<StoredEvent, 'id' | 'type' | 'position' | 'time' | 'correlationId'>;

/** A beginning and its end. */
export interface DurationPair {
  readonly start: DurationMark;
  readonly end: DurationMark;
  /** What they have in common. */
  readonly key: unknown;
  /** By their own times; negative where the end bears an earlier time than the beginning. */
  readonly durationMs: number;
}

/** How an end is told to belong to a beginning. */
export interface PairingOptions {
  /** The beginning that is the end's cause is its beginning, whatever the keys say. */
  readonly byCause: boolean;
  /** Both must have the same; undefined is like nothing. */
  readonly keyOf: (event: StoredEvent) => unknown;
}

/** A beginning without an end yet. Those of one key hang together like a stack that can be left from the middle. */
interface Open {
  readonly mark: DurationMark;
  readonly key: unknown;
  readonly text: string | undefined;
  under: Open | undefined;
  over: Open | undefined;
}

const MAX_OPEN = 50_000;

/**
 * Pairs ends with beginnings, fed in position order: an end belongs to the nearest beginning before it that has the
 * same key and no end yet, so nested runs of one key come out nested. Remembers what has not ended, at most 50,000.
 */
export class Pairing {
  readonly #options: PairingOptions;
  /** In position order. */
  readonly #open = new Map<string, Open>();
  readonly #newest = new Map<string, Open>();

  constructor(options: PairingOptions) {
    this.#options = options;
  }

  /** What has begun and not ended, in position order. */
  *unfinished(): Generator<DurationMark> {
    for (const { mark } of this.#open.values()) yield mark;
  }

  get unfinishedCount(): number {
    return this.#open.size;
  }

  /** Throws `INVALID_QUERY` when too much is unfinished. */
  begin(event: StoredEvent): void {
    if (this.#open.size >= MAX_OPEN)
      throw new TelltaleError(
        'INVALID_QUERY',
        `durations met more than ${MAX_OPEN} beginnings without an end, at position ${event.position}: narrow the selection, or look whether \`end\` names what ends them`,
        { details: { position: event.position, max: MAX_OPEN } },
      );
    const key = this.#options.keyOf(event);
    const text = key === undefined ? undefined : keyText(key);
    const under = text === undefined ? undefined : this.#newest.get(text);
    const open: Open = { mark: markOf(event), key, text, under, over: undefined };
    if (under) under.over = open;
    if (text !== undefined) this.#newest.set(text, open);
    this.#open.set(event.id, open);
  }

  /** The pair this event completes; `undefined` for an end without a beginning. */
  end(event: StoredEvent): DurationPair | undefined {
    const open = this.#beginningOf(event);
    if (!open) return undefined;
    this.#close(open);
    return {
      start: open.mark,
      end: markOf(event),
      key: open.key,
      durationMs: event.time - open.mark.time,
    };
  }

  #beginningOf(end: StoredEvent): Open | undefined {
    const { byCause, keyOf } = this.#options;
    const caused = byCause && end.causationId !== undefined ? this.#open.get(end.causationId) : undefined;
    if (caused) return caused;
    return this.#newest.get(keyText(keyOf(end)));
  }

  #close({ mark, text, under, over }: Open): void {
    this.#open.delete(mark.id);
    if (under) under.over = over;
    if (over) over.under = under;
    else if (text !== undefined && under) this.#newest.set(text, under);
    else if (text !== undefined) this.#newest.delete(text);
  }
}

export function markOf({ id, type, position, time, correlationId }: StoredEvent): DurationMark {
  return { id, type, position, time, correlationId };
}
