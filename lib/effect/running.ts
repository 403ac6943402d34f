import type { Envelope } from '../event/envelope.ts';
import { Receiving } from '../event/receiving.ts';

/** Effects that have begun and not ended. Each counts as a handler of its event: what it emits belongs to it. */
export class Running {
  readonly #byEvent = new Map<Envelope, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Those whose handlers have ended, or were cut. */
  get left(): number {
    let left = 0;
    for (const [envelope, count] of this.#byEvent) if (envelope.running === count) left += count;
    return left;
  }

  /** Returns what ends it. */
  begin(given: Envelope): () => void {
    const envelope = ownerOf(given);
    this.#size++;
    envelope.running++;
    this.#byEvent.set(envelope, (this.#byEvent.get(envelope) ?? 0) + 1);
    return () => {
      this.#size--;
      envelope.running--;
      const count = this.#byEvent.get(envelope)! - 1;
      if (count > 0) this.#byEvent.set(envelope, count);
      else this.#byEvent.delete(envelope);
    };
  }
}

// What an actor receives in a context of its own counts with its event.
const ownerOf = (given: Envelope): Envelope => (given instanceof Receiving ? given.envelope : given);
