import { isTelltaleError } from '../errors.ts';
import { Serial } from '../serial.ts';
import type { Claims } from './claims.ts';
import { keysOf, type Seat } from './ledger.ts';
import type { Seats } from './seats.ts';
import type { ConsumerTerms } from './terms.ts';
import { commitTo } from './trusting.ts';
import { answered } from './within.ts';
import type { Work } from './work.ts';

export interface RewindsPort {
  readonly seats: Seats;
  readonly work: Work;
  readonly claims: Claims;
  /** Throws where the consumer does not run. */
  mustRun(): void;
  /** Lets a partition go on that had ended. */
  give(index: number, seat: Seat): void;
  /** It cannot go on. */
  failed(error: unknown): void;
}

/**
 * Takes a consumer to another place of the log. Ordering: one at a time, in the order of the calls; what runs ends
 * first. Failure: it goes on where it was; where the target is reset already and the checkpoint is not, nothing can.
 */
export class Rewinds {
  readonly #port: RewindsPort;
  readonly #terms: ConsumerTerms;
  readonly #turns = new Serial();

  constructor(port: RewindsPort, terms: ConsumerTerms) {
    this.#port = port;
    this.#terms = terms;
  }

  /** Begins again behind this position, as every member of the group does. */
  rewind(after: number): Promise<void> {
    return this.#turns.run(() => this.#rewind(after));
  }

  async #rewind(after: number): Promise<void> {
    const { work, claims, seats } = this.#port;
    await claims.ended();
    await work.end(...work.partitions.values());
    this.#port.mustRun();
    const { target, onReset } = this.#terms;
    let isReset = false;
    try {
      await seats.rewind(after, async (epoch) => {
        const checkpoints = keysOf(this.#terms).map((key) => ({ key, position: after, epoch }));
        if (target) await commitTo(target, checkpoints, (tx) => answered(target, '`onReset`', onReset?.(tx)));
        isReset = true;
      });
    } catch (error) {
      if (isReset || isTelltaleError(error, 'LEASE_LOST')) this.#port.failed(error);
      else this.#goOn();
      throw error;
    }
  }

  #goOn(): void {
    const { work, seats } = this.#port;
    for (const { index, epoch, progress } of work.partitions.values())
      if (seats.has(index, epoch)) this.#port.give(index, { position: progress.position, epoch, member: null });
  }
}
