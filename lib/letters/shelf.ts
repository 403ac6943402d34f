import type { Clock } from '../clock.ts';
import { TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Place } from '../event/place.ts';
import type { Filter } from '../filter/language.ts';
import type { DeadLetters, KeptLetter } from '../store/dead-letters.ts';
import { LETTER_OPENED, letterEntity, readLetter } from '../store/letter.ts';
import { openLetters, type OpenLetters } from '../store/open-letters.ts';
import type { Store } from '../store/port.ts';
import { Slice } from '../store/slice.ts';
import { resolveWindow, type Window } from '../store/read/window.ts';
import { foldEvents, foldLetter, type Found, type Letter } from './letter.ts';
import { compileLetterFilter, parseLetterQuery, type LetterQuery, type ParsedLetterSelection } from './selection.ts';

export interface ShelfPort {
  readonly store: Store | undefined;
  readonly clock: Clock;
  /** Opens letters, and keeps those that are not in the log. */
  readonly letters: DeadLetters;
}

/** Letters read at once. */
const PAGE_EVENTS = 100;

/**
 * All letters, those in the log and those in memory, with what was done about each. Reading goes page by page and holds
 * one page at a time, however many letters there are.
 */
export class Shelf {
  readonly #port: ShelfPort;
  /** Of all readers together: whoever asks for page after page holds the loop with pages that are short each. */
  readonly #slice = new Slice();

  constructor(port: ShelfPort) {
    this.#port = port;
  }

  /** Newest first: those in the log in its order, those in memory among them by their time. */
  async list(query: LetterQuery = {}): Promise<readonly Letter[]> {
    const parsed = parseLetterQuery(query);
    // First: one that is on its way into the log now is either here or there, and never in neither.
    const inMemory = this.#port.letters.kept();
    const window = await this.#windowOf(parsed);
    const start = parsed.before === undefined ? undefined : await this.#mustFind(parsed.before);
    const isOlder = ({ letter }: Found): boolean => start === undefined || newestFirst(start.letter, letter) < 0;
    const kept = selectKept(inMemory, parsed, window).filter(isOlder);
    const keptIds = new Set(kept.map(({ letter }) => letter.id));
    kept.sort((a, b) => newestFirst(a.letter, b.letter));
    const letters: Letter[] = [];
    const through = start !== undefined && start.opened > 0 ? start.opened - 1 : window.through;
    for await (const found of this.#stored(parsed, { ...window, through }, true)) {
      if (letters.length >= parsed.limit) break;
      if (keptIds.has(found.letter.id) || (start?.opened === 0 && !isOlder(found))) continue;
      while (kept.length > 0 && newestFirst(kept[0]!.letter, found.letter) < 0) letters.push(kept.shift()!.letter);
      letters.push(found.letter);
    }
    for (const { letter } of kept) letters.push(letter);
    return letters.slice(0, parsed.limit);
  }

  async find(id: string): Promise<Found | undefined> {
    const kept = this.#port.letters.find(id);
    if (kept) return foundOf(kept);
    const events = this.#port.store ? await eventsOf(this.#port.store, id) : [];
    const [opened, ...later] = events;
    return opened?.type === LETTER_OPENED ? foldEvents(opened, later) : undefined;
  }

  /** What is selected, in the order it was opened; those in memory come last. What settles meanwhile may be told still. */
  async *select(parsed: ParsedLetterSelection): AsyncGenerator<Found, void, undefined> {
    const window = await this.#windowOf(parsed);
    yield* this.#stored(parsed, window, false);
    yield* selectKept(this.#port.letters.kept(), parsed, window);
  }

  async #mustFind(id: string): Promise<Found> {
    const found = await this.find(id);
    if (found) return found;
    throw new TelltaleError('INVALID_CURSOR', `\`before\`: there is no dead letter ${JSON.stringify(id)}`);
  }

  async #windowOf({ from, to }: ParsedLetterSelection): Promise<Window> {
    const { store, clock } = this.#port;
    if (store) return resolveWindow({ from, after: undefined, to }, store, clock);
    for (const place of [from, to]) if (place !== undefined) mustBeTime(place);
    // Without a log there is nothing but times to resolve, and the store is not asked for those.
    const noLog = { head: () => Promise.resolve({ position: 0, storedAt: 0 }) } as unknown as Store;
    return resolveWindow({ from, after: undefined, to }, noLog, clock);
  }

  async *#stored(
    { state, where, accepts }: ParsedLetterSelection,
    window: Window,
    descending: boolean,
  ): AsyncGenerator<Found, void, undefined> {
    const { store } = this.#port;
    if (!store) return;
    const open = await openLetters(store);
    const condition = within(where, window);
    const query = { types: [LETTER_OPENED], limit: PAGE_EVENTS, descending, ...(condition && { where: condition }) };
    const slice = this.#slice;
    let { after, through } = window;
    while (after < through) {
      if (state === 'open') {
        // Over all those that were settled, to the next open one.
        const next = descending ? open.next(through + 1, true) : open.next(after);
        if (next === undefined || next <= after || next > through) return;
        if (descending) through = next;
        else after = next - 1;
      }
      const page = await store.page({ ...query, after, through });
      if (slice.isOver) await slice.rest();
      for (const event of page.events) {
        if (!accepts(readLetter(event)) || (state !== 'all' && (state === 'open') !== open.has(event.position)))
          continue;
        if (slice.isOver) await slice.rest();
        const found = await foundIn(store, open, event);
        if (state === 'all' || found.letter.state === state) yield found;
      }
      if (page.done) return;
      if (descending) through = page.looked - 1;
      else after = page.looked;
    }
  }
}

// Most letters are open and nothing was done about them; their revision says so without a look at further events.
async function foundIn(store: Store, open: OpenLetters, event: StoredEvent): Promise<Found> {
  if (open.has(event.position) && (await store.revision(event.entity!)) === event.revision)
    return foldEvents(event, []);
  return foldEvents(event, (await eventsOf(store, readLetter(event).id)).slice(1));
}

async function eventsOf(store: Store, id: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read({ entity: letterEntity(id) })) events.push(event);
  return events;
}

function selectKept(
  kept: readonly KeptLetter[],
  { state, where, accepts, from, to }: ParsedLetterSelection,
  window: Window,
): Found[] {
  // They have no position, so a window between positions has none of them.
  if ([from, to].some((place) => place !== undefined && place !== 'latest' && !isTime(place))) return [];
  const matches = compileLetterFilter(within(where, window));
  const letters = kept.filter(({ letter }) => accepts(letter) && matches(letter));
  return letters.map(foundOf).filter(({ letter }) => state === 'all' || letter.state === state);
}

function foundOf({ letter, notes }: KeptLetter): Found {
  return { letter: foldLetter(letter, notes), opened: 0 };
}

function within(where: Filter | undefined, { timeFrom, timeTo }: Window): Filter | undefined {
  const bounds = [
    ...(timeFrom === undefined ? [] : [{ $gte: timeFrom }]),
    ...(timeTo === undefined ? [] : [{ $lte: timeTo }]),
  ];
  const conditions: Filter[] = [...(where === undefined ? [] : [where]), ...bounds.map((time) => ({ time }))];
  return conditions.length > 1 ? { $and: conditions } : conditions[0];
}

function isTime(place: Place): boolean {
  return place instanceof Date || (typeof place === 'object' && ('time' in place || 'ago' in place));
}

function mustBeTime(place: Place): void {
  if (isTime(place)) return;
  throw new TelltaleError('STORE_REQUIRED', 'without a store letters have times and no positions: give a time');
}

// Ids are UUIDv7 and decide between letters of one millisecond.
function newestFirst(a: Letter, b: Letter): number {
  return b.time - a.time || Number(a.id < b.id) - Number(a.id > b.id);
}
