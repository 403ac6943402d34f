import type { Page, PageQuery, StoredEvent } from '../../lib/plugin.ts';
import { candidates } from './read-plan.ts';
import type { ReadPlan } from './read-plan.ts';
import { isEvent } from './record.ts';
import type { Tombstone } from './record.ts';
import type { Segment } from './segment.ts';

/** A page reads at most this many bytes of records, one record excepted. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** Candidates closer than this are read together. */
const NEAR_BYTES = 16 * 1024;

/** A page being filled, in the order it will be answered. */
export class PageBuilder {
  readonly events: StoredEvent[] = [];
  readonly descending: boolean;
  readonly #limit: number;
  #bytes = PAGE_BYTES;
  #looked = 0;
  #scanned = 0;
  #index: string | undefined;

  constructor({ limit, descending }: PageQuery) {
    this.#limit = limit;
    this.descending = descending;
  }

  get room(): number {
    return this.#bytes <= 0 ? 0 : this.#limit - this.events.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(records: readonly (StoredEvent | Tombstone)[], bytes: number): void {
    this.#scanned += records.length;
    const ordered = this.descending ? records.toReversed() : records;
    for (const record of ordered) if (isEvent(record)) this.events.push(record);
    this.#looked = ordered[ordered.length - 1]!.position;
    this.#bytes -= bytes;
  }

  /** Names the index that answers; the page names the first. */
  from(index: string | undefined): void {
    this.#index ??= index;
  }

  cut(): Page {
    return this.#page(this.#looked, false);
  }

  done(looked: number): Page {
    return this.#page(looked, true);
  }

  #page(looked: number, done: boolean): Page {
    const index = this.#index;
    const page = { events: this.events, looked, done, scanned: this.#scanned, bytes: PAGE_BYTES - this.#bytes };
    return { ...page, ...(index !== undefined && { index }) };
  }
}

/** Adds what the segment has between two record numbers; false when the page is full before the end. */
export async function readSegment(
  segment: Segment,
  from: number,
  to: number,
  plan: ReadPlan,
  page: PageBuilder,
): Promise<boolean> {
  const { offsets, found, live } = await segment.ask(async (index) => {
    const few = await candidates(plan, index, segment.summary);
    const left = few === undefined && segment.removals > 0 ? await index.live() : undefined;
    return { offsets: await index.offsets(), found: few, live: left };
  });
  page.from(found?.index);
  const all = (found?.numbers ?? live)?.filter((number) => number >= from && number <= to);
  const runs: readonly Run[] = all === undefined ? [{ from, to }] : nearRuns(all, offsets, page.descending);
  for (const run of runs) {
    for (let rest: Run | undefined = run; rest !== undefined;) {
      if (page.room === 0) return false;
      const [part, left]: [Run, Run | undefined] = splitRun(rest, offsets, page);
      page.add(await segment.records(part.from, part.to, part.only), offsets[part.to + 1]! - offsets[part.from]!);
      rest = left;
    }
  }
  return true;
}

/** Neighbouring records read at once; `only` names those that are wanted. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly only?: readonly number[];
}

function nearRuns(numbers: readonly number[], offsets: ArrayLike<number>, descending: boolean): Run[] {
  const runs: Run[] = [];
  let only: number[] = [];
  for (const number of numbers) {
    const last = only[only.length - 1];
    if (last !== undefined && offsets[number]! - offsets[last + 1]! > NEAR_BYTES) {
      runs.push({ from: only[0]!, to: last, only });
      only = [];
    }
    only.push(number);
  }
  if (only.length > 0) runs.push({ from: only[0]!, to: only[only.length - 1]!, only });
  return descending ? runs.toReversed() : runs;
}

/** As much of a run, from the side that is read first, as the page has room for; and what is left. */
function splitRun(run: Run, offsets: ArrayLike<number>, page: PageBuilder): [Run, Run | undefined] {
  const { room, bytes, descending } = page;
  const numbers = run.only;
  const size = numbers?.length ?? run.to - run.from + 1;
  const at = (i: number): number => (numbers === undefined ? run.from + i : numbers[i]!);
  let count = Math.min(room, size);
  const length = (n: number): number =>
    descending ? offsets[at(size - 1) + 1]! - offsets[at(size - n)]! : offsets[at(n - 1) + 1]! - offsets[at(0)]!;
  while (count > 1 && length(count) > bytes) count = Math.ceil(count / 2);
  if (count === size) return [run, undefined];
  const cut = (a: number, b: number): Run => ({
    from: at(a),
    to: at(b - 1),
    ...(numbers === undefined ? {} : { only: numbers.slice(a, b) }),
  });
  return descending ? [cut(size - count, size), cut(0, size - count)] : [cut(0, count), cut(count, size)];
}
