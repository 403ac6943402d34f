import { systemClock } from '../clock.ts';
import { expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { parseField, type Field } from '../filter/field.ts';
import type { Store } from '../store/port.ts';
import { Slice } from '../store/slice.ts';
import { scan } from '../store/read/scan.ts';
import { parseSelection, type ParsedSelection, type Selection } from '../store/read/selection.ts';
import { resolveWindow, type Window } from '../store/read/window.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { Cost } from './explain.ts';
import { hasWords, matchesOf, type SearchMatch } from './matching.ts';
import { paged, type Paged } from './paged.ts';
import type { HistoryOptions } from './query.ts';
import {
  DEFAULT_LIMIT,
  fingerprintOf,
  PAGING,
  parsePaging,
  type PagingOptions,
  type ParsedPaging,
} from './query-options.ts';
import { parseWords, type Words } from './words.ts';

export interface SearchOptions<Path = string> extends Selection, PagingOptions {
  /**
   * Envelope fields and dotted paths to look in, with all that lies beneath them.
   * @default ['type', 'entity', 'payload']
   */
  readonly in?: Path | readonly Path[];
  /** @default 'backward': the newest first */
  readonly direction?: 'forward' | 'backward';
}

/** An event that has all words, and where. */
export interface SearchHit<Event = StoredEvent> {
  readonly event: Event;
  /** The first place of each word. Paths and excerpts are those of the payload as it is stored. */
  readonly matches: readonly SearchMatch[];
}

export interface SearchPage<Event = StoredEvent> {
  readonly hits: readonly SearchHit<Event>[];
  /** Where to search on; absent when everything was looked at. */
  readonly cursor?: string;
}

/** `await` it for one page, or get each hit as it is found with `for await`. Nothing is read before. */
export type Search<Event = StoredEvent> = Paged<SearchPage<Event>, SearchHit<Event>>;

const EVERYWHERE = ['type', 'entity', 'payload'];
const MAX_FIELDS = 100;
/** Events asked of the store at once. */
const SCANNED_EVENTS = 500;

/**
 * Looks for words in strings and numbers: case does not matter, parts of words are found, all words must occur. Reads
 * the selected part of the log and lets the event loop turn meanwhile. Rejects with `INVALID_QUERY`, `INVALID_CURSOR`,
 * `INVALID_PATH` and what the selection throws.
 */
export function search(
  store: Store,
  text: string,
  options: SearchOptions = {},
  { clock = systemClock, present, cache }: HistoryOptions = {},
): Search {
  const start = async (): Promise<Searching> => {
    const parsed = parseSearch(text, options);
    const cursor = parsed.cursor === undefined ? undefined : readCursor(parsed.cursor, parsed.fingerprint, false);
    const window = cursor?.window ?? (await resolveWindow(parsed, store, clock));
    return { store, parsed, window, position: cursor?.position, cost: new Cost() };
  };
  const show = (hit: SearchHit): SearchHit => (present ? { ...hit, event: present(hit.event) } : hit);
  return paged({
    async page() {
      const searching = await start();
      const { parsed, window, position } = searching;
      const { fingerprint, limit = DEFAULT_LIMIT } = parsed;
      const read = (): Promise<readonly SearchHit[]> => collect(searching, limit);
      const hits = await (cache
        ? cache.through(['search', fingerprint, limit, window, position], window, read)
        : read());
      const last = hits.length === limit ? hits.at(-1)!.event.position : undefined;
      const more = last !== undefined && writeCursor({ window, position: last, time: undefined }, fingerprint);
      return { hits: hits.map(show), ...(more && { cursor: more }) };
    },
    async *items() {
      const searching = await start();
      let left = searching.parsed.limit ?? Infinity;
      for await (const hit of hitsOf(searching)) {
        yield show(hit);
        if (--left === 0) return;
      }
    },
    async explain() {
      const began = clock.monotonic();
      const searching = await start();
      const hits = await collect(searching, searching.parsed.limit ?? DEFAULT_LIMIT);
      return searching.cost.explain(hits.length, clock.monotonic() - began, searching.parsed.where);
    },
  });
}

interface ParsedSearch extends ParsedSelection, ParsedPaging {
  readonly words: Words;
  readonly fields: readonly Field[];
  readonly fingerprint: string;
}

interface Searching {
  readonly store: Store;
  readonly parsed: ParsedSearch;
  readonly window: Window;
  /** The last hit of the page before. */
  readonly position: number | undefined;
  readonly cost: Cost;
}

function parseSearch(text: string, options: SearchOptions): ParsedSearch {
  const words = parseWords(text);
  const selection = parseSelection(options, 'search', ['in', ...PAGING]);
  const paging = parsePaging(options, 'backward');
  const fields = parseFields(options.in);
  const { where, withoutReserved, from, after, to } = selection;
  const paths = fields.map(({ path }) => path);
  const fingerprint = fingerprintOf({
    words: words.words,
    paths,
    where,
    withoutReserved,
    from,
    after,
    to,
    backward: paging.backward,
  });
  return { ...selection, ...paging, words, fields, fingerprint };
}

function parseFields(given: SearchOptions['in'] = EVERYWHERE): readonly Field[] {
  const paths: unknown = typeof given === 'string' ? [given] : given;
  if (!Array.isArray(paths) || paths.length === 0 || paths.length > MAX_FIELDS)
    throw expected('INVALID_QUERY', '`in` of search', `a path or 1 to ${MAX_FIELDS} paths`, given);
  return [...new Set(paths as string[])].map((path) => parseField(path, 'INVALID_QUERY', 'a path in `in` of search'));
}

async function collect(searching: Searching, limit: number): Promise<readonly SearchHit[]> {
  const hits: SearchHit[] = [];
  for await (const hit of hitsOf(searching)) if (hits.push(hit) === limit) break;
  return hits;
}

async function* hitsOf({ store, parsed, window, position, cost }: Searching): AsyncGenerator<SearchHit> {
  const { where, withoutReserved, backward: descending, signal, words, fields } = parsed;
  let rest = window;
  if (position !== undefined) rest = descending ? { ...window, through: position - 1 } : { ...window, after: position };
  const slice = new Slice();
  for await (const page of scan(store, {
    where,
    withoutReserved,
    window: rest,
    descending,
    pageEvents: SCANNED_EVENTS,
    signal,
    words: { words: words.words, in: fields.map(({ path }) => path) },
  })) {
    cost.add(page);
    for (const event of page.events) {
      if (hasWords(event, fields, words)) yield { event, matches: matchesOf(event, fields, words) };
      // Payloads may be large, so the clock is asked after each.
      if (slice.isOver) await slice.rest();
    }
  }
}
