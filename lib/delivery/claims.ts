import { TelltaleError } from '../errors.ts';
import { beginningOf } from './beginning.ts';
import { keyOf, type Seat } from './ledger.ts';
import type { Seats } from './seats.ts';
import type { ConsumerPort, ConsumerTerms } from './terms.ts';
import type { Store } from '../store/port.ts';
import { claimOf, type Known } from './trusting.ts';

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
  readonly #ofStore: Seats['ask'];
  readonly #open = new Set<Claim>();
  readonly #dropped: Promise<void>;
  /** Nobody waits for an answer any more. */
  drop!: () => void;

  /** @param ofStore asks the store until it answers */
  constructor(port: ConsumerPort, terms: ConsumerTerms, ofStore: Seats['ask']) {
    this.#port = port;
    this.#terms = terms;
    this.#ofStore = ofStore;
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
    const beginning = await this.#ofStore(() => beginningOf(this.#port, from, position));
    const known = await claimOf(target!, { key, position: beginning, epoch });
    await this.#ofStore(() => mustBeOfLog(this.#port.store, key, known));
    return known.position;
  }
}

/** In another log everything up to there would be passed over in silence. An event that was removed is taken on trust. */
async function mustBeOfLog(store: Store, key: string, { position, eventId }: Known): Promise<void> {
  const { position: head } = await store.head();
  if (position > head) throw notOfLog(key, position, `ends at ${head}`, { head });
  if (eventId === undefined) return;
  const range = { after: position - 1, through: position, descending: false, limit: 1 };
  const [event] = (await store.page(range)).events;
  if (event === undefined || event.id === eventId) return;
  throw notOfLog(key, position, `has event ${event.id} there, not ${eventId}`, { expected: eventId, actual: event.id });
}

function notOfLog(key: string, position: number, what: string, about: object): TelltaleError {
  const text = `the target has come to position ${position} under \`${key}\`, and this log ${what}: it was filled from another log, or the log was restored from an older backup; use another target or name, or delete what was written there together with this checkpoint, to begin anew`;
  return new TelltaleError('TARGET_BROKEN', text, { details: { key, position, ...about } });
}
