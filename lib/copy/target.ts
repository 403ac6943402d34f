import { randomUUID } from 'node:crypto';
import { TelltaleError, expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Head, Store } from '../store/port.ts';
import type { Mapping } from './mapping.ts';

/** The collection in which a target notes how far it is as a copy. It is never copied itself. */
export const COPIES = 'copies';
const KEY = 'progress';
const NOTED_EVERY_MS = 1_000;

/** What a target says of itself. */
export interface CopyState {
  readonly state: 'copying' | 'done';
  readonly position: number;
  readonly through: number;
  /** Epoch ms of the first call. */
  readonly begun: number;
  readonly mapped: boolean;
  readonly forget: boolean;
  /** Which call noted this. */
  readonly call: string;
}

/**
 * A store that becomes a copy. What it holds of the log is the truth of how far the copy is, since it takes each stretch
 * whole or up to a position; the document says that it is a copy, and of which kind.
 */
export class Target {
  readonly #store: Store;
  readonly #before: CopyState | undefined;
  #state: CopyState;
  #notedAt = performance.now();

  private constructor(store: Store, before: CopyState | undefined, state: CopyState) {
    this.#store = store;
    this.#before = before;
    this.#state = state;
  }

  /** Throws `STORE_OCCUPIED` unless the store is empty, or holds a beginning of the very log that is to be copied. */
  static async prepare(store: Store, from: Store, terms: TargetTerms): Promise<Target> {
    const head = await store.head();
    const before = (await store.document(COPIES, KEY))?.value as CopyState | undefined;
    if (head.position > 0 || before !== undefined) await mustContinue(store, from, head, before, terms);
    const { mapped, forget, end, now } = terms;
    const begun = before?.begun ?? now;
    const [{ position }, call] = [head, randomUUID()];
    const state = { mapped, forget, begun, call, position, through: end.position, state: 'copying' as const };
    const target = new Target(store, before, state);
    await target.note(head.position, 'copying');
    return target;
  }

  get begun(): number {
    return this.#state.begun;
  }

  /** Throws `INVALID_OPTION` where the source is the same log by another name: it has this call's note. */
  async mustNotBe(from: Store): Promise<void> {
    const noted = (await from.document(COPIES, KEY))?.value as CopyState | undefined;
    if (noted?.call !== this.#state.call) return;
    if (this.#before === undefined) await this.#store.deleteDocument(COPIES, KEY);
    else await this.#store.putDocument(COPIES, KEY, this.#before);
    throw expected('INVALID_OPTION', 'the target of copyStore', 'another log than its source', this.#store.name);
  }

  /** Notes how far the copy is, seldom. */
  async reached(position: number): Promise<void> {
    if (performance.now() - this.#notedAt >= NOTED_EVERY_MS) await this.note(position, 'copying');
  }

  async note(position: number, state: CopyState['state']): Promise<void> {
    this.#state = { ...this.#state, position, state };
    await this.#store.putDocument(COPIES, KEY, this.#state, position > 0 ? { position } : {});
    this.#notedAt = performance.now();
  }
}

export interface TargetTerms {
  readonly mapped: boolean;
  readonly forget: boolean;
  readonly mapping: Mapping;
  /** The source's head. */
  readonly end: Head;
  readonly now: number;
}

async function mustContinue(
  store: Store,
  from: Store,
  { position }: Head,
  before: CopyState | undefined,
  { mapped, forget, mapping, end }: TargetTerms,
): Promise<void> {
  if (before === undefined) throw occupied(store, `it holds ${position} positions and is no copy`);
  if (before.mapped !== mapped || before.forget !== forget)
    throw expected(
      'INVALID_OPTION',
      `a copy that was begun ${termsOf(before)}`,
      'gone on with in the same way',
      termsOf({ mapped, forget }),
    );
  if (position > end.position)
    throw occupied(store, `it has position ${position}, and ${from.name} ends at ${end.position}`);
  const [newest] = await eventsAt(store, { through: position, descending: true });
  if (newest === undefined) return;
  const [origin] = await eventsAt(from, { after: newest.position - 1, through: newest.position });
  // Removed from the source since: then its id says whether it was this one, unless `map` changed the id.
  const [left] = origin ? [] : await from.tombstones({ from: newest.position, to: newest.position }, 1);
  const id = origin ? (await mapping(origin))?.id : left?.id;
  if (id === newest.id || (origin === undefined && (mapped || left === undefined))) return;
  throw occupied(store, `at position ${newest.position} it has event ${newest.id}, and ${from.name} another`);
}

async function eventsAt(
  store: Store,
  range: { readonly after?: number; readonly through: number; readonly descending?: boolean },
): Promise<readonly StoredEvent[]> {
  if (range.through === 0) return [];
  for (let query = { after: 0, descending: false, limit: 1, ...range }; ;) {
    const { events, done, looked } = await store.page(query);
    if (done || events.length > 0) return events;
    query = query.descending ? { ...query, through: looked - 1 } : { ...query, after: looked };
  }
}

function termsOf({ mapped, forget }: Pick<CopyState, 'mapped' | 'forget'>): string {
  return `${mapped ? 'with' : 'without'} \`map\`${forget ? ' and `forget`' : ''}`;
}

function occupied({ name }: Store, why: string): TelltaleError {
  return new TelltaleError('STORE_OCCUPIED', `expected ${name} to be empty, or the beginning of this copy: ${why}`, {
    details: { store: name },
  });
}
