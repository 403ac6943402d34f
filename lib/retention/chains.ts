import { Keys } from './keys.ts';

/** A correlation that waits for one of its events. */
export interface HeldChain {
  readonly correlationId: string;
  /** Events that would go but for the rest of their correlation. */
  readonly events: number;
  readonly bytes: number;
  /** The newest event that keeps them; absent where it is older or newer than what this plan decides about. */
  readonly heldBy?: number;
}

const LARGEST = 10;
/** Correlations looked at in one go. */
const BREATH = 16_384;

/** The correlations of a log, each with what holds it back. Events of the bus itself are no members. */
export class Chains {
  readonly #keys = new Keys();
  readonly #total: number[] = [];
  readonly #seen: number[] = [];
  readonly #holding: number[] = [];
  readonly #heldBy: number[] = [];
  readonly #heldEvents: number[] = [];
  readonly #heldBytes: number[] = [];
  readonly #cut = new Set<number>();
  #cutEvents = 0;

  /** Counts a member; answers its correlation's number. */
  add(correlationId: string): number {
    const number = this.#keys.number(correlationId);
    if (number === this.#total.length) {
      for (const column of [this.#total, this.#seen, this.#holding, this.#heldBy]) column.push(0);
      for (const column of [this.#heldEvents, this.#heldBytes]) column.push(0);
    }
    this.#total[number]!++;
    return number;
  }

  /** Counts a newer member that no row is made for. */
  addNewer(correlationId: string, holds: boolean): void {
    const number = this.#keys.known(correlationId);
    if (number < 0) return;
    this.#total[number]!++;
    if (holds) this.#holding[number]!++;
  }

  /** Notes that an older member, of which no row was made, stays. */
  holdFromBefore(correlationId: string): void {
    const number = this.#keys.known(correlationId);
    if (number >= 0) this.#holding[number]!++;
  }

  hold(number: number, position: number): void {
    this.#holding[number]!++;
    this.#heldBy[number] = position;
  }

  isHeld(number: number): boolean {
    return this.#holding[number]! > 0;
  }

  /** Passes the next member, in position order; answers how many of its correlation come behind it. */
  pass(number: number): number {
    return this.#total[number]! - ++this.#seen[number]!;
  }

  noteWaiting(number: number, bytes: number): void {
    this.#heldEvents[number]!++;
    this.#heldBytes[number]! += bytes;
  }

  noteCut(number: number): void {
    this.#cut.add(number);
    this.#cutEvents++;
  }

  /** Correlations that were longer than `atMost` while they waited, and how many of their events go all the same. */
  get cut(): { readonly chains: number; readonly events: number } {
    return { chains: this.#cut.size, events: this.#cutEvents };
  }

  /** Those with the most events waiting. Yields where others may have their turn. */
  *largest(): Generator<undefined, readonly HeldChain[], undefined> {
    let best: number[] = [];
    for (let number = 0; number < this.#heldEvents.length; number++) {
      if (number % BREATH === 0) yield;
      if (this.#heldEvents[number] === 0) continue;
      best.push(number);
      if (best.length >= 10 * LARGEST) best = this.#top(best);
    }
    best = this.#top(best);
    const texts = yield* this.#keys.textsOf(new Set(best));
    return best.map((number) => ({
      correlationId: texts.get(number)!,
      events: this.#heldEvents[number]!,
      bytes: this.#heldBytes[number]!,
      ...(this.#heldBy[number]! > 0 && { heldBy: this.#heldBy[number]! }),
    }));
  }

  #top(numbers: readonly number[]): number[] {
    return numbers.toSorted((a, b) => this.#heldEvents[b]! - this.#heldEvents[a]! || a - b).slice(0, LARGEST);
  }
}
