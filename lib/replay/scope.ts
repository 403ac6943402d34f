import type { Clock } from '../clock.ts';
import { TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Place } from '../event/place.ts';
import type { RemovedRange, Store } from '../store/port.ts';
import { resolvePlace } from '../store/read/resolve-place.ts';
import { resolveWindow, type Window } from '../store/read/window.ts';
import type { ParsedReplay } from './options.ts';
import { checkRemoved, countRemoved, mustBeThere } from './removed.ts';
import { countSource, openSource, type Batch, type SourceOptions } from './source.ts';

interface ScopeOptions {
  readonly store: Store;
  readonly parsed: ParsedReplay;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Where the log ended when the replay was asked for. */
  readonly head: number;
}

/** Where a replay goes on. */
export interface Stretch {
  readonly window: Window;
  /** Events gone through before it. */
  readonly done: number;
}

/** What a replay goes through: its window, fixed when it begins, and the places within. */
export class Scope {
  readonly window: Window;
  readonly removed: readonly RemovedRange[];
  readonly total: number;
  readonly #options: ScopeOptions;

  constructor(options: ScopeOptions, window: Window, removed: readonly RemovedRange[], total: number) {
    this.#options = options;
    this.window = window;
    this.removed = removed;
    this.total = total;
  }

  /** The events of a stretch, in the order they are told. */
  read(window: Window): AsyncGenerator<Batch, void, undefined> {
    return openSource(sourceOf(this.#options, window));
  }

  /** In position order: how many events have been gone through when this position has. */
  doneAt(position: number): number {
    const { after, through } = this.window;
    const { backward } = this.#options.parsed;
    const [low, high] = backward ? [Math.max(after, position - 1), through] : [after, position];
    return Math.max(0, high - low - countRemoved(this.removed, low, high));
  }

  /** Goes on at a place. Throws `EVENTS_REMOVED`, `INVALID_PLACE`. */
  async from(place: Place): Promise<Stretch> {
    const { store, clock, parsed } = this.#options;
    await mustBeThere(store, place, 'place', clock);
    const resolved = await resolvePlace(place, 'place', { store, clock, head: this.window.through });
    if (!parsed.byTime) {
      const position = 'position' in resolved ? resolved.position : await this.#positionOf(resolved.time);
      const window = this.#fromPosition(position);
      return { window, done: this.doneAt(parsed.backward ? window.through + 1 : window.after) };
    }
    const window = this.#fromTime('time' in resolved ? resolved.time : await this.#timeOf(resolved.position));
    return { window, done: this.total - (await countSource(sourceOf(this.#options, window))) };
  }

  #fromPosition(position: number): Window {
    const { after, through } = this.window;
    if (this.#options.parsed.backward) return { ...this.window, through: Math.max(after, Math.min(through, position)) };
    return { ...this.window, after: Math.min(through, Math.max(after, position - 1)) };
  }

  #fromTime(time: number): Window {
    const { timeFrom = -Infinity, timeTo = Infinity } = this.window;
    if (this.#options.parsed.backward) return { ...this.window, timeTo: Math.min(timeTo, time) };
    return { ...this.window, timeFrom: Math.max(timeFrom, time) };
  }

  /** The first event, in the order they are told, that lies at this time or beyond. */
  async #positionOf(time: number): Promise<number> {
    for await (const { events } of this.read(this.#fromTime(time))) if (events.length > 0) return events[0]!.position;
    return this.#options.parsed.backward ? this.window.after : this.window.through + 1;
  }

  async #timeOf(position: number): Promise<number> {
    const { events } = await this.#options.store.page({
      after: position - 1,
      through: position,
      descending: false,
      limit: 1,
    });
    const event: StoredEvent | undefined = events[0];
    if (event !== undefined) return event.time;
    throw new TelltaleError('INVALID_PLACE', `\`place\`: no event is stored at position ${position}`);
  }
}

/** Resolves what was asked for. Throws `EVENTS_REMOVED`, `INVALID_PLACE`, `INVALID_QUERY`. */
export async function openScope(options: ScopeOptions): Promise<Scope> {
  const { store, parsed, clock, head } = options;
  const { selection } = parsed;
  const window = await resolveWindow(selection, store, clock, head);
  const removed = await checkRemoved(store, window, selection, clock);
  const { after, through } = window;
  const total = parsed.byTime
    ? await countSource({ ...sourceOf(options, window), signal: undefined })
    : Math.max(0, through - after) - countRemoved(removed, after, through);
  return new Scope(options, window, removed, total);
}

function sourceOf({ store, parsed, signal }: ScopeOptions, window: Window): SourceOptions {
  const { byTime, backward, selection } = parsed;
  const { where, withoutReserved } = selection;
  return { store, where, window, byTime, backward, withoutReserved, signal };
}
