import type { Duration } from './duration.ts';
import type { TelltaleEvent } from './event/event.ts';
import type { EmitOptions } from './intake/emit-options.ts';

/**
 * `at` or `after`, and what `emit` takes; the event's `time` is when it is emitted. An `id` of your own makes it safe to
 * schedule again, also when it was emitted meanwhile (in the log, so not without a store; `EVENT_CONFLICT` where another
 * event has this id): in a handler that may run twice, let it follow from the event's.
 */
export interface ScheduleOptions extends Omit<EmitOptions, 'time' | 'transient'> {
  /** Epoch ms, a Date or an ISO string with zone; what lies in the past is emitted at once. */
  readonly at?: number | string | Date;
  /** How long from now. */
  readonly after?: Duration;
  /** What to cancel it by; whatever waits under the same key is replaced. At most 256 bytes. @default the event's `id` */
  readonly key?: string;
}

/** An event that waits for its time. */
export interface ScheduleEntry {
  readonly key: string;
  /** Epoch ms. */
  readonly at: number;
  readonly type: string;
}

/** What `bus.schedule` answers. */
export interface Scheduled<Type extends string = string, Payload = unknown> {
  readonly key: string;
  /** Epoch ms. */
  readonly at: number;
  /** As it was taken; `time` is set when it is emitted. */
  readonly event: TelltaleEvent<Type, Payload>;
  /** This very event was stored before, by its `id`: it will not be emitted again. */
  readonly duplicate?: true;
  /** The admit stage that dropped it: it will not be emitted. */
  readonly dropped?: string;
  /** False where it was emitted, cancelled or replaced before. Rejects with what the store refuses. */
  cancel(): Promise<boolean>;
}

/** What waits for its time. */
export interface Schedules {
  /** The earliest first. */
  list(): Promise<readonly ScheduleEntry[]>;
  /** False where nothing waits under this key. Rejects with what the store refuses. */
  cancel(key: string): Promise<boolean>;
}
