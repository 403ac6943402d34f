import type { Envelope } from '../event/envelope.ts';
import type { Due, DueQueue } from '../store/due-queue.ts';

/** Something to be emitted that waits for its time. */
export interface Waiting extends Due {
  readonly key: string;
  readonly type: string;
}

/** Where schedules are kept: in the log, or in memory on a bus without one. */
export interface Ledger<Item extends Waiting = Waiting> {
  /** The open ones; may hold some that are not open any more. */
  readonly due: DueQueue<Item>;
  readonly size: number;
  get(key: string): Item | undefined;
  isOpen(item: Item): boolean;
  all(): readonly Item[];
  /** Takes in what was set and closed since. */
  catchUp(): Promise<void>;
  /** Kept when it resolves; whatever has the same key is replaced. */
  set(key: string, at: number, envelope: Envelope): Promise<Item>;
  /** What is to be emitted, as of now; undefined where it is gone. */
  eventOf(item: Item): Promise<Envelope | undefined>;
  /**
   * Emits and closes in one step, in the order of the calls. Resolves also where somebody else has closed or replaced
   * it, or the store refuses the event for good; rejects where it may be tried again.
   */
  emit(item: Item, envelope: Envelope): Promise<void>;
  /** False where it was emitted, cancelled or replaced before. */
  cancel(item: Item): Promise<boolean>;
}
