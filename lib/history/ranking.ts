export interface Ranked {
  readonly name: string;
  readonly events: number;
}

/** Names by the number of their events. */
export interface Ranking {
  /** Those with the most events first, at most as many as were asked for. */
  readonly top: readonly Ranked[];
  /** How many names there are; those beyond 10,000 are not told apart. */
  readonly distinct: number;
  /** Events of the names that are not in `top`. */
  readonly others: number;
}

const MAX_NAMES = 10_000;

/** Counts events by name in bounded memory. */
export class Tally {
  readonly #counts = new Map<string, number>();
  #total = 0;

  add(name: string): void {
    this.#total++;
    const count = this.#counts.get(name);
    if (count !== undefined || this.#counts.size < MAX_NAMES) this.#counts.set(name, (count ?? 0) + 1);
  }

  ranking(limit: number): Ranking {
    const ordered = [...this.#counts].toSorted(([a, some], [b, more]) => more - some || (a < b ? -1 : 1));
    const top = ordered.slice(0, limit).map(([name, events]) => ({ name, events }));
    const shown = top.reduce((sum, { events }) => sum + events, 0);
    return { top, distinct: this.#counts.size, others: this.#total - shown };
  }
}
