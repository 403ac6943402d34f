import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';

/** How much of what is emitted is kept; the rest is counted. */
const KEPT_EVENTS = 10_000;
const KEPT_BYTES = 64 * 1024 * 1024;
/** How many told events are remembered for a comparison. */
const KEPT_CAUSES = 10_000;

/** What a replay took away from its handlers, and from which events it came. Bounded in events and bytes. */
export class Captures {
  readonly #kept: Envelope[] = [];
  readonly #causes: string[] = [];
  #bytes = 0;
  #beyond = 0;
  #causesBeyond = 0;
  #status: 'open' | 'closed' = 'open';

  take(envelope: Envelope): void {
    // What a handler emits long after the replay has ended goes nowhere all the same.
    if (this.#status === 'closed') return;
    this.#bytes += envelope.bytes;
    if (this.#kept.length < KEPT_EVENTS && this.#bytes <= KEPT_BYTES) this.#kept.push(envelope);
    else this.#beyond++;
  }

  /** An event is told from which something may come. Once something was not kept, a comparison would blame its cause. */
  told(id: string): void {
    if (this.#causes.length < KEPT_CAUSES && this.#beyond === 0) this.#causes.push(id);
    else this.#causesBeyond++;
  }

  close(): void {
    this.#status = 'closed';
  }

  get count(): number {
    return this.#kept.length + this.#beyond;
  }

  get causes(): readonly string[] {
    return this.#causes;
  }

  get causesBeyond(): number {
    return this.#causesBeyond;
  }

  get events(): readonly TelltaleEvent[] {
    return this.#kept.map(({ event }) => event);
  }

  /** What the log would have. */
  get stored(): readonly TelltaleEvent[] {
    return this.#kept.filter(({ transient }) => !transient).map(({ event }) => event);
  }
}
