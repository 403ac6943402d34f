import type { Filter } from '../filter/language.ts';
import { parseFilter, type Condition } from '../filter/parse.ts';
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
    const path = this.#scanned > 2 * matched ? equalPaths(where).find((known) => known !== this.#index) : undefined;
    return {
      ...(this.#index !== undefined && { index: this.#index }),
      scanned: this.#scanned,
      matched,
      tookMs,
      ...(path !== undefined && { suggestion: path }),
    };
  }
}

/** Paths into payload and metadata that must equal one of some values, whatever else holds. */
function equalPaths(where: Filter | undefined): readonly string[] {
  return where === undefined ? [] : [...certain(parseFilter(where))];
}

// Alternatives and negations say nothing certain, so an index cannot narrow them down.
function* certain(condition: Condition): Generator<string> {
  if (condition.kind === 'all') for (const member of condition.conditions) yield* certain(member);
  if (condition.kind !== 'field') return;
  const { field, operator, operand } = condition;
  const values = operator === '$eq' ? [operand] : operator === '$in' ? (operand as readonly unknown[]) : [];
  const scalars = values.length > 0 && values.every((value) => typeof value !== 'object' || value === null);
  if (scalars && field.path.includes('.')) yield field.path;
}
