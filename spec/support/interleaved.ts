import type { Head, Store } from '../../lib/plugin.ts';
import type { Followed } from '../../lib/store/follow.ts';
import { buildEvent } from './event-builder.ts';

/** What happens to a log at one moment of a reader's life. */
export interface Moment {
  /** Events appended in one commit, and how many commits of them. */
  readonly append: number;
  readonly times: number;
  /** Goes on while the reader does, instead of before it. */
  readonly alongside: boolean;
  /** Removes the event at this share of the log. */
  readonly remove: number | undefined;
}

/** How the feed may be joined wrongly, to see that a wrong join is caught. */
export type Fault = 'none' | 'joins late' | 'goes by an old head';

/** A log whose moments are told by a plan: one for every step a reader takes. */
export class InterleavedLog {
  readonly store: Store;
  readonly #moments: Moment[];
  readonly #fault: Fault;
  readonly #underWay: Promise<unknown>[] = [];
  readonly removed = new Set<number>();
  /** What has been appended, by position. */
  readonly types = new Map<number, string>();
  #made = 0;

  constructor(store: Store, moments: readonly Moment[], fault: Fault = 'none') {
    this.store = store;
    this.#moments = [...moments];
    this.#fault = fault;
  }

  get isOver(): boolean {
    return this.#moments.length === 0;
  }

  /** The next moment of the plan. */
  async step(): Promise<void> {
    const moment = this.#moments.shift();
    if (moment === undefined) return;
    const happening = this.#happen(moment);
    this.#underWay.push(happening);
    if (!moment.alongside) await happening;
  }

  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async append(count: number): Promise<void> {
    const events = Array.from({ length: count }, () =>
      buildEvent({ type: ++this.#made % 3 === 0 ? 'third' : 'other' }),
    );
    const { position } = await this.store.append(events);
    for (const [i, { type }] of events.entries()) this.types.set(position + i, type);
  }

  /** The store as the reader gets it. */
  seen(): Pick<Store, 'page' | 'head' | 'onCommit'> {
    let join: (() => void) | undefined;
    let old: Head | undefined;
    return {
      head: async () => {
        await this.step();
        const head = await this.store.head();
        await this.step();
        // What a reader goes by that has looked up the head long before it joins.
        return this.#fault === 'goes by an old head' ? (old ??= head) : head;
      },
      page: async (query) => {
        await this.step();
        const page = await this.store.page(query);
        await this.step();
        join?.();
        return page;
      },
      onCommit: (listener) => {
        void this.step();
        let leave: (() => void) | undefined;
        const joinNow = (): void => void (leave ??= this.store.onCommit(listener));
        if (this.#fault === 'joins late') join = joinNow;
        else joinNow();
        void this.step();
        return () => leave?.();
      },
    };
  }

  async #happen({ append, times, remove }: Moment): Promise<void> {
    for (let i = 0; i < times; i++) if (append > 0) await this.append(append);
    if (remove === undefined) return;
    const { position: head } = await this.store.head();
    const position = Math.ceil(remove * head);
    if (position === 0) return;
    this.removed.add(position);
    await this.store.remove([{ from: position, to: position }], 'test');
  }
}

/** What a reader should have been told of. */
export interface Expected {
  readonly after: number;
  readonly wanted: (type: string) => boolean;
}

/** Whether batches are exactly the log from behind `after`; says what is wrong. Removed events may be there or not. */
export function wrongWith(
  batches: readonly Followed[],
  log: InterleavedLog,
  { after, wanted }: Expected,
): string | undefined {
  const due = (position: number): boolean => wanted(log.types.get(position)!) && !log.removed.has(position);
  let last = after;
  const missing = (before: number): number | undefined => {
    for (let position = last + 1; position < before; position++) if (due(position)) return position;
    return undefined;
  };
  for (const { events, looked } of batches) {
    for (const { position, type } of events) {
      if (position <= last) return `${position} came behind ${last}`;
      if (!wanted(type)) return `${position} was not asked for`;
      const gap = missing(position);
      if (gap !== undefined) return `${gap} is missing before ${position}`;
      last = position;
    }
    if (looked < last) return `looked up to ${looked}, and ${last} was handed out`;
    const gap = missing(looked + 1);
    if (gap !== undefined) return `${gap} is missing, and ${looked} looked at`;
    last = looked;
  }
  const end = Math.max(after, ...log.types.keys());
  return last < end ? `ended at ${last} of ${end}` : undefined;
}
