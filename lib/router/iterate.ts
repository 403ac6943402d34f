import type { TelltaleEvent } from '../event/event.ts';
import { offer, type MailboxLimits } from '../mailbox/overflow.ts';
import { createPlainMailbox } from '../mailbox/plain-mailbox.ts';

export interface IteratePort {
  readonly limits: MailboxLimits;
  subscribe(listener: (event: TelltaleEvent, bytes: number) => void): () => void;
  onClose(closed: () => void): () => void;
  /** The in-band `$bus.lagged` event. */
  lagged(missed: number, from: string, to: string): TelltaleEvent;
  /** What an event fails with that a full buffer turns away, where the policy is `reject`. */
  full(queued: number): Error;
}

interface Missed {
  count: number;
  from: string;
  to: string;
}

/**
 * Events as an async iterable. Subscribes at once, so nothing between the call and the first `next` is missed.
 * Lagging: a reader slower than its events gets one in-band `$bus.lagged { missed, from, to }` where the gap is.
 * Closing: ends when the bus closes, after what was buffered; `break` unsubscribes.
 */
export function iterate(port: IteratePort): AsyncIterableIterator<TelltaleEvent> {
  const mailbox = createPlainMailbox<{ event: TelltaleEvent; bytes: number }>();
  const waiting: ((result: IteratorResult<TelltaleEvent>) => void)[] = [];
  let missed: Missed | undefined;
  let ended = false;

  const miss = (events: readonly TelltaleEvent[]): void => {
    if (events.length > 0 && port.limits.overflow === 'reject') throw port.full(mailbox.length);
    for (const { id } of events) {
      if (missed) Object.assign(missed, { count: missed.count + 1, to: id });
      else missed = { count: 1, from: id, to: id };
    }
  };
  const receive = (event: TelltaleEvent, bytes: number): void => {
    const reader = waiting.shift();
    if (reader) return reader({ value: event, done: false });
    miss(offer(mailbox, port.limits, { event, bytes }, bytes, undefined).map((gone) => gone.event));
  };
  const finish = (): void => {
    if (ended) return;
    ended = true;
    for (const step of undo) step();
    for (const reader of waiting.splice(0)) reader({ value: undefined, done: true });
  };
  const undo = [port.subscribe(receive), port.onClose(finish)];
  const next = (): IteratorResult<TelltaleEvent> | undefined => {
    if (missed) {
      const { count, from, to } = missed;
      missed = undefined;
      return { value: port.lagged(count, from, to), done: false };
    }
    const taken = mailbox.take();
    if (taken) return { value: taken.item.event, done: false };
    return ended ? { value: undefined, done: true } : undefined;
  };

  return {
    next() {
      const ready = next();
      return ready ? Promise.resolve(ready) : new Promise((resolve) => waiting.push(resolve));
    },
    return() {
      finish();
      mailbox.clear();
      missed = undefined;
      return Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
