import { TelltaleError } from '../errors.ts';
import { beginningOf } from './beginning.ts';
import { keyOf, type Seat } from './ledger.ts';
import type { ConsumerPort, ConsumerTerms } from './terms.ts';
import { claimOf } from './trusting.ts';

interface Claim {
  /** As the consumer's document says: the target may know it otherwise. */
  readonly position: number;
  readonly ended: Promise<void>;
}

/**
 * Where a partition begins that a member was given: at once where the store has the checkpoints, else where the target
 * says. The target knows best how far it has come; its epoch keeps out whoever had the partition before. Failure: told
 * whoever was given the partition.
 */
export class Claims {
  readonly #port: ConsumerPort;
  readonly #terms: ConsumerTerms;
  readonly #open = new Set<Claim>();
  readonly #dropped: Promise<void>;
  /** Nobody waits for an answer any more. */
  drop!: () => void;

  constructor(port: ConsumerPort, terms: ConsumerTerms) {
    this.#port = port;
    this.#terms = terms;
    this.#dropped = new Promise((resolve) => (this.drop = resolve));
  }

  /** Targets that were asked and have not answered. */
  get open(): number {
    return this.#open.size;
  }

  /** The lowest that is written down for what is still being asked about; undefined where nothing is. */
  get position(): number | undefined {
    const positions = [...this.#open].map(({ position }) => position);
    return positions.length === 0 ? undefined : Math.min(...positions);
  }

  /** Resolves when all that were asked have answered, or nobody waits for them. */
  async ended(): Promise<void> {
    await Promise.race([this.#dropped, Promise.all([...this.#open].map(({ ended }) => ended))]);
  }

  claim(index: number, seat: Seat, given: (after: number) => void, failed: (error: unknown) => void): void {
    if (!this.#terms.target) return given(seat.position);
    const end = (told: () => void): void => {
      this.#open.delete(claim);
      told();
    };
    const ended = this.#ask(index, seat).then(
      (after) => end(() => given(after)),
      (error: unknown) => end(() => failed(error)),
    );
    const claim: Claim = { position: seat.position, ended };
    this.#open.add(claim);
  }

  async #ask(index: number, { position, epoch }: Seat): Promise<number> {
    const { target, from } = this.#terms;
    const key = keyOf(this.#terms, index);
    const after = await claimOf(target!, { key, position: await beginningOf(this.#port, from, position), epoch });
    const { position: head } = await this.#port.store.head();
    if (after > head) throw aheadOfLog(key, after, head);
    return after;
  }
}

// What is stored until then would be passed over in silence.
function aheadOfLog(key: string, position: number, head: number): TelltaleError {
  const text = `the target has come to position ${position} under \`${key}\`, and this log ends at ${head}: it was filled from another log, or the log was restored from an older backup; use another target or name, or delete what was written there together with this checkpoint, to begin anew`;
  return new TelltaleError('TARGET_BROKEN', text, { details: { key, position, head } });
}
