import type { StoredEvent } from '../event/event.ts';
import { matchesPattern } from '../event/pattern.ts';
import type { Store } from '../store/port.ts';
import { eventBytes } from './event-bytes.ts';
import { isOfTheBus, priorityRank, RESERVED_RULE, type ParsedRule } from './rules.ts';

/** What a plan needs to know of an event. */
export interface Fact {
  readonly position: number;
  readonly type: string;
  readonly storedAt: number;
  readonly time: number;
  readonly entity: string | undefined;
  readonly correlationId: string;
  /** 0 for `low` to 3 for `critical`. */
  readonly priority: number;
  /** Estimated size as JSON. */
  readonly bytes: number;
  /** Which rule decides about it: an index of `RuleBook.rules`, −1 for none. */
  readonly rule: number;
}

/** Types remembered with the rules that may match them. */
const MAX_TYPES = 10_000;
const NONE: readonly number[] = [];

/** The rules of the user and, behind them, the built-in one; says which of them decides about an event. */
export class RuleBook {
  readonly rules: readonly ParsedRule[];
  readonly #byType = new Map<string, readonly number[]>();
  readonly #reserved: number;

  constructor(rules: readonly ParsedRule[]) {
    this.#reserved = rules.length;
    this.rules = [...rules, RESERVED_RULE];
  }

  /** The first rule that matches, −1 for none. */
  ruleOf(event: StoredEvent): number {
    for (const index of this.#candidates(event.type)) {
      const { accepts } = this.rules[index]!;
      if (accepts === undefined || accepts(event)) return index;
    }
    return isOfTheBus(event) ? this.#reserved : -1;
  }

  #candidates(type: string): readonly number[] {
    const known = this.#byType.get(type);
    if (known !== undefined) return known;
    const found: number[] = [];
    for (let index = 0; index < this.#reserved; index++)
      if (matchesPattern(this.rules[index]!.pattern, type)) found.push(index);
    const candidates = found.length === 0 ? NONE : found;
    if (this.#byType.size < MAX_TYPES) this.#byType.set(type, candidates);
    return candidates;
  }
}

export function factOf(event: StoredEvent, book: RuleBook): Fact {
  const { position, type, storedAt, time, entity, correlationId, metadata } = event;
  const priority = priorityRank(metadata.priority);
  return {
    position,
    type,
    storedAt,
    time,
    entity,
    correlationId,
    priority,
    bytes: eventBytes(event),
    rule: book.ruleOf(event),
  };
}

/** Events read at once: a page of them is parsed within a few milliseconds. */
const PAGE_EVENTS = 500;

/** The events of a range of positions, page by page; `entity` lets a store look for those of one entity. */
export async function* readPages(
  store: Pick<Store, 'page'>,
  after: number,
  through: number,
  entity?: string,
): AsyncGenerator<readonly StoredEvent[], void, undefined> {
  const hints = entity === undefined ? {} : { entity };
  while (after < through) {
    const page = await store.page({ ...hints, after, through, descending: false, limit: PAGE_EVENTS });
    yield page.events;
    if (page.done) return;
    after = page.looked;
  }
}
