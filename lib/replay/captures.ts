import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import type { Compared } from './effects.ts';

/** How much of what is emitted is kept; the rest is counted. */
const KEPT_EVENTS = 10_000;
const KEPT_BYTES = 64 * 1024 * 1024;
/** How many told events are remembered for a comparison. */
const KEPT_CAUSES = 10_000;

/** What a replay took away from its handlers, and from which events it came. Bounded in events and bytes. */
export class Captures {
  readonly #owner: object;
  readonly #kept: Envelope[] = [];
  /** The told events, and how much had been kept when each was told last. */
  readonly #causes = new Map<string, number>();
  #bytes = 0;
  #beyond = 0;
  #causesBeyond = 0;
  #order: 'once' | 'again' = 'once';
  #status: 'open' | 'closed' = 'open';

  /** `owner` is the bus whose log is told. */
  constructor(owner: object) {
    this.#owner = owner;
  }

  take(envelope: Envelope): void {
    // What a handler emits long after the replay has ended goes nowhere all the same.
    if (this.#status === 'closed') return;
    this.#bytes += envelope.bytes;
    if (this.#kept.length < KEPT_EVENTS && this.#bytes <= KEPT_BYTES) this.#kept.push(envelope);
    else this.#beyond++;
  }

  /** An event is told from which something may come. Once something was not kept, a comparison would blame its cause. */
  told(id: string): void {
    if (this.#beyond === 0 && (this.#causes.size < KEPT_CAUSES || this.#isKnown(id)))
      this.#causes.set(id, this.#kept.length);
    else this.#causesBeyond++;
  }

  /** The replay has moved: events may come that were told before. */
  moved(): void {
    this.#order = 'again';
  }

  close(): void {
    this.#status = 'closed';
  }

  get count(): number {
    return this.#kept.length + this.#beyond;
  }

  get events(): readonly TelltaleEvent[] {
    return this.#kept.map(({ event }) => event);
  }

  /** What the log would have, and where it would have come from. */
  get compared(): Compared {
    const stored = this.#newest().filter(({ transient }) => !transient);
    return {
      causes: [...this.#causes.keys()],
      notCompared: this.#causesBeyond,
      emitted: stored.filter(({ owner }) => owner === this.#owner).map(({ event }) => event),
      elsewhere: stored.filter(({ owner }) => owner !== this.#owner).map(({ event }) => event),
    };
  }

  // Without what came from an event before it was told again.
  #newest(): readonly Envelope[] {
    if (this.#order === 'once') return this.#kept;
    const roots = new Map<string, string>();
    return this.#kept.filter(({ event: { id, causationId } }, i) => {
      if (causationId === undefined) return true;
      const root = roots.get(causationId) ?? causationId;
      roots.set(id, root);
      return i >= (this.#causes.get(root) ?? 0);
    });
  }

  // Only a replay that was moved has to look.
  #isKnown(id: string): boolean {
    return this.#order === 'again' && this.#causes.has(id);
  }
}
