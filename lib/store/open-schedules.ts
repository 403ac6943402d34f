import type { StoredEvent } from '../event/event.ts';
import { DueQueue } from './due-queue.ts';
import { LogIndex } from './log-index.ts';
import type { Store } from './port.ts';
import type { Range } from './ranges.ts';

export const SCHEDULE_SET = '$schedule.set';
export const SCHEDULE_CLOSED = '$schedule.closed';

/** Where `$schedule.set` says what is to be emitted: its payload is that event's, everything else stands here. */
export interface SetMark {
  readonly key: string;
  /** Epoch ms. */
  readonly at: number;
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly entity?: string;
}

/** The payload of `$schedule.closed`. */
export interface ClosedSchedule {
  readonly key: string;
  /** Where the `$schedule.set` is that this ends. */
  readonly set: number;
  readonly as: 'emitted' | 'cancelled' | 'refused';
  /** The event that was emitted, or was to be. */
  readonly eventId: string;
}

/** Something to be emitted that waits for its time. */
export interface OpenSchedule {
  readonly key: string;
  readonly at: number;
  readonly type: string;
  /** Of the event to come. */
  readonly id: string;
  /** Where it was set; from schedules of one time, the first goes first. */
  readonly position: number;
  /** Of the stream of its key: who closes it expects this one. */
  readonly revision: number;
  /** Kept where the log lies in memory and drops old events by itself. */
  readonly event?: StoredEvent;
}

export const scheduleEntity = (key: string): string => `$schedules/${key}`;

/**
 * Which schedules of a log are open: read from the log at first use and caught up with it at every later one. A key has
 * one open schedule at most: a new one replaces it.
 */
export class OpenSchedules extends LogIndex {
  readonly due = new DueQueue<OpenSchedule>();
  readonly #byKey = new Map<string, OpenSchedule>();

  constructor(store: Store) {
    super(store, [SCHEDULE_SET, SCHEDULE_CLOSED]);
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): OpenSchedule | undefined {
    return this.#byKey.get(key);
  }

  isOpen(schedule: OpenSchedule): boolean {
    return this.#byKey.get(schedule.key) === schedule;
  }

  all(): readonly OpenSchedule[] {
    return [...this.#byKey.values()];
  }

  /** Takes in what was stored just now, before a look at the log finds it. */
  note(set: StoredEvent): OpenSchedule {
    const schedule = this.#scheduleOf(set);
    if (schedule.position > this.looked) this.#open(schedule);
    return schedule;
  }

  protected take(events: readonly StoredEvent[]): void {
    for (const event of events) this.#take(event);
  }

  #take(event: StoredEvent): void {
    if (event.type === SCHEDULE_SET) return this.#open(this.#scheduleOf(event));
    const { key, set } = event.payload as ClosedSchedule;
    if (this.#byKey.get(key)?.position === set) this.#byKey.delete(key);
  }

  #open(schedule: OpenSchedule): void {
    // It was noted, or something newer was.
    if ((this.#byKey.get(schedule.key)?.position ?? 0) >= schedule.position) return;
    this.#byKey.set(schedule.key, schedule);
    this.due.push(schedule);
    this.due.prune(this.size, (item) => this.isOpen(item));
  }

  #scheduleOf(event: StoredEvent): OpenSchedule {
    const { position, revision } = event;
    const { key, at, type, id } = markOf(event);
    const dropsOld = this.store.supports.durability === 'memory';
    return { key, at, type, id, position, revision, ...(dropsOld && { event }) };
  }

  // What was cleared away on purpose is not emitted any more.
  protected async forget(ranges: readonly Range[]): Promise<void> {
    for (const schedule of this.#byKey.values()) {
      const { key, position } = schedule;
      if (!ranges.some(({ from, to }) => from <= position && position <= to)) continue;
      const [removed] = await this.store.removed({ from: position, to: position });
      const isLost = removed !== undefined && !(schedule.event && removed.reason === 'bound');
      if (isLost && this.isOpen(schedule)) this.#byKey.delete(key);
    }
  }
}

export function markOf({ metadata }: Pick<StoredEvent, 'metadata'>): SetMark {
  return metadata['$schedule'] as SetMark;
}

const known = new WeakMap<Store, OpenSchedules>();

/** The open schedules of a store; the same object for everybody who asks. */
export function openSchedules(store: Store): OpenSchedules {
  let schedules = known.get(store);
  if (!schedules) known.set(store, (schedules = new OpenSchedules(store)));
  return schedules;
}

/** Positions of what open schedules are made from, ascending: it must stay until they are closed. */
export async function openSchedulePositions(store: Store): Promise<readonly number[]> {
  const schedules = openSchedules(store);
  await schedules.catchUp();
  return schedules
    .all()
    .map(({ position }) => position)
    .toSorted((a, b) => a - b);
}
