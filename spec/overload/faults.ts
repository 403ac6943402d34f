import type { Envelope } from '../../lib/event/envelope.ts';
import { createKeyedMailbox } from '../../lib/mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../../lib/mailbox/mailbox.ts';
import { Subscription } from '../../lib/router/subscription.ts';

/** What a bus could do wrong under a flood; each must be seen by the check named like it. */
export type Fault = 'miscounts' | 'hoards' | 'leaks' | 'holds';

const prototype = Object.getPrototypeOf(createKeyedMailbox({ evicts: true })) as Mailbox<object>;

export const FAULTS: Readonly<Record<Fault, () => void>> = {
  /** One event in a thousand goes without being counted. */
  miscounts() {
    const evict = Reflect.get(prototype, 'evict');
    let evicted = 0;
    prototype.evict = function () {
      if (++evicted % 1_000 === 0) evict.call(this);
      return evict.call(this);
    };
  },

  /** The mailbox takes whatever comes and says that it has room. */
  hoards() {
    const queued = Object.getOwnPropertyDescriptor(prototype, 'length')!;
    const length = function (this: Mailbox<object>): number {
      return Math.min(queued.get!.call(this) as number, 10);
    };
    Object.defineProperty(prototype, 'length', { ...queued, get: length });
  },

  /** Some hundred bytes stay behind for every event, which a process may not feel for hours. */
  leaks() {
    const kept: object[] = [];
    onTake(({ event }) => void kept.push({ ...event }));
  },

  /** Every thousandth event is looked at for so long that everybody else notices. */
  holds() {
    let taken = 0;
    onTake(() => {
      if (++taken % 1_000 !== 0) return;
      for (const end = performance.now() + 40; performance.now() < end;);
    });
  },
};

function onTake(look: (envelope: Envelope) => void): void {
  const take = Reflect.get(Subscription.prototype, 'take');
  Subscription.prototype.take = function (envelope) {
    look(envelope);
    take.call(this, envelope);
  };
}
