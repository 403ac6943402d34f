import { TelltaleError } from '../../errors.ts';
import { isReserved } from '../../event/type-name.ts';
import type { Filter } from '../../filter/language.ts';
import { hintsOf } from '../../filter/hints.ts';
import type { Page, PageHints, Store, WordHint } from '../port.ts';
import { Slice } from '../slice.ts';
import type { Window } from './window.ts';

export interface ScanOptions {
  readonly where: Filter | undefined;
  readonly window: Window;
  readonly descending: boolean;
  /** Events asked of the store at once. */
  readonly pageEvents: number;
  readonly signal: AbortSignal | undefined;
  /** Leaves out the events of the bus itself. @default false */
  readonly withoutReserved?: boolean;
  /** What the events are searched for, by whoever gets them. */
  readonly words?: WordHint;
}

/**
 * Looks through a window page by page. A page may be empty although more is to come. The event loop has its turns in
 * between, however much is looked at.
 */
export async function* scan(store: Store, options: ScanOptions): AsyncGenerator<Page, void, undefined> {
  const { descending, pageEvents, signal, withoutReserved = false } = options;
  let { after, through } = options.window;
  const { words } = options;
  const condition = { ...hintsWithin(options), ...(words && { words }) };
  const slice = new Slice();
  while (after < through) {
    mustGoOn(signal);
    const page = await store.page({ ...condition, after, through, descending, limit: pageEvents });
    yield withoutReserved ? withoutReservedOf(page) : page;
    if (page.done) return;
    if (slice.isOver) await slice.rest();
    if (descending) through = page.looked - 1;
    else after = page.looked;
  }
}

// Nearly always there is none, and nothing is copied.
function withoutReservedOf(page: Page): Page {
  if (!page.events.some(({ type }) => isReserved(type))) return page;
  return { ...page, events: page.events.filter(({ type }) => !isReserved(type)) };
}

/** Throws `ABORTED`. */
export function mustGoOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new TelltaleError('ABORTED', 'the query was aborted', { cause: signal.reason });
}

/** The conditions of a filter and a window, but for its positions. */
export function hintsWithin({
  where,
  window: { timeFrom, timeAfter, timeTo },
}: Pick<ScanOptions, 'where' | 'window'>): PageHints {
  const bounds = [{ $gte: timeFrom }, { $gt: timeAfter }, { $lte: timeTo }]
    .filter((bound) => Object.values(bound)[0] !== undefined)
    .map((time) => ({ time }));
  const conditions = where === undefined ? bounds : [where, ...bounds];
  if (conditions.length === 0) return {};
  const whole: Filter = conditions.length === 1 ? conditions[0]! : { $and: conditions };
  return { ...hintsOf(whole), where: whole };
}
