import type { Envelope } from '../event/envelope.ts';

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

// Causes that add something to an envelope inherit its count.
function ownerOf(envelope: Envelope): Envelope {
  let owner = envelope;
  while (!Object.hasOwn(owner, 'running')) owner = Object.getPrototypeOf(owner) as Envelope;
  return owner;
}
