import type { StoredEvent } from '../../event/event.ts';

/** Negative when `a` comes first. */
export type EventOrder = (a: Key, b: Key) => number;

/** What events are put in order by: their time, and their position where times are equal. */
export type Key = Pick<StoredEvent, 'time' | 'position'>;

export const byTime: EventOrder = (a, b) => a.time - b.time || a.position - b.position;

export const byTimeBackward: EventOrder = (a, b) => byTime(b, a);
