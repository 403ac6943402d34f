import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { Fifo } from '../mailbox/fifo.ts';
import { comparedHash, isRecordedEnd, type Ignored } from './content.ts';

export interface Pair {
  readonly original: StoredEvent;
  readonly replayed: TelltaleEvent;
}

interface Matched {
  readonly same: readonly Pair[];
  readonly changed: readonly Pair[];
  readonly missing: readonly StoredEvent[];
  readonly new: readonly TelltaleEvent[];
}

interface MatchTerms {
  readonly ignored: Ignored;
  /** What all of them come from, where it is known. */
  readonly cause: TelltaleEvent | undefined;
}

/** Pairs the effects of one cause: the first of a type with the first of that type, and so on. */
export function matchEffects(
  originals: readonly StoredEvent[],
  replayed: readonly TelltaleEvent[],
  { ignored, cause }: MatchTerms,
): Matched {
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
  const hashOf = (event: TelltaleEvent): string => comparedHash(event, ignored, isRecordedEnd(cause, event.type));
  const same = new Set(pairs.filter((pair) => hashOf(pair.original) === hashOf(pair.replayed)));
  return {
    same: [...same],
    changed: pairs.filter((pair) => !same.has(pair)),
    missing,
    new: replayed.filter((event) => left.has(event)),
  };
}
