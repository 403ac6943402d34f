import { EventEmitter } from 'eventemitter3';
import { toError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { CommitListener, Page } from './port.ts';

const COMMIT = 'commit';
const CATCH_UP_EVENTS = 1_000;

/** Reads the events behind `after`, up to and including `through`. */
export type ReadForward = (after: number, through: number, limit: number) => Promise<Page>;

/**
 * Hands every committed event to every listener once, in position order.
 *
 * Order: positions never fall and never repeat; what was handed out before is left out.
 * Joining: a listener sees the commits that follow; one that was removed sees nothing more, also within a commit.
 * Failure: a listener that throws is reported as a process warning and hurts neither the commit nor the others.
 */
export class CommitFeed {
  readonly #emitter = new EventEmitter();
  #position = 0;

  /** The highest position handed out or passed over. */
  get position(): number {
    return this.#position;
  }

  on(listener: CommitListener): () => void {
    let listening = true;
    const guarded = (events: readonly StoredEvent[]): void => {
      // eventemitter3 still calls a listener that was removed during the same emission.
      if (listening) callGuarded(listener, events);
    };
    this.#emitter.on(COMMIT, guarded);
    return () => {
      listening = false;
      this.#emitter.off(COMMIT, guarded);
    };
  }

  /** Starts behind `position`: what lies before it was committed earlier. */
  start(position: number): void {
    this.#position = position;
  }

  publish(events: readonly StoredEvent[]): void {
    const fresh = events.length > 0 && events[0]!.position <= this.#position ? this.#behind(events) : events;
    if (fresh.length === 0) return;
    this.#position = fresh[fresh.length - 1]!.position;
    this.#emitter.emit(COMMIT, fresh);
  }

  /** Publishes what the log holds behind the last position: another writer's commits, or one whose answer was lost. */
  async catchUp(read: ReadForward, through: number): Promise<void> {
    while (this.#position < through) {
      const page = await read(this.#position, through, CATCH_UP_EVENTS);
      this.publish(page.events);
      this.#position = Math.max(this.#position, page.done ? through : page.looked);
    }
  }

  #behind(events: readonly StoredEvent[]): readonly StoredEvent[] {
    return events.filter((event) => event.position > this.#position);
  }
}

function callGuarded(listener: CommitListener, events: readonly StoredEvent[]): void {
  try {
    listener(events);
  } catch (thrown) {
    process.emitWarning(toError(thrown));
  }
}
