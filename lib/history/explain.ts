import { hintsOf } from '../filter/hints.ts';
import type { Filter } from '../filter/language.ts';
import type { Page } from '../store/port.ts';

/** What one page of a query or a search has cost. */
export interface Explanation {
  /** The store's index that answered: `id`, `type`, `entity`, `payload.userId` …; absent where none did. */
  readonly index?: string;
  /** Events the store looked at. */
  readonly scanned: number;
  /** Events of the page. */
  readonly matched: number;
  readonly tookMs: number;
  /** A path that was compared for equality without an index: as an entry of the store's `index` it would have helped. */
  readonly suggestion?: string;
}

/** Adds up what the pages of one question have cost. */
export class Cost {
  #index: string | undefined;
  #scanned = 0;

  add({ index, scanned, events }: Pick<Page, 'index' | 'scanned' | 'events'>): void {
    this.#index ??= index;
    this.#scanned += scanned ?? events.length;
  }

  explain(matched: number, tookMs: number, where: Filter | undefined): Explanation {
    // A store reads in blocks, so some of what it has looked at lies behind the page.
    const vain = where !== undefined && this.#scanned > 2 * matched;
    const path = vain ? hintsOf(where).equals?.find((known) => known.path !== this.#index)?.path : undefined;
    return {
      ...(this.#index !== undefined && { index: this.#index }),
      scanned: this.#scanned,
      matched,
      tookMs,
      ...(path !== undefined && { suggestion: path }),
    };
  }
}
