import type { Envelope } from '../../lib/event/envelope.ts';
import { createKeyedMailbox } from '../../lib/mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../../lib/mailbox/mailbox.ts';
import { Subscription } from '../../lib/router/subscription.ts';
import { busyMs } from '../support/loop-hold.ts';

/** What a bus could do wrong under a flood; each must be seen by the check named like it. */
export type Fault = 'miscounts' | 'hoards' | 'leaks' | 'holds';

const mailbox = Object.getPrototypeOf(createKeyedMailbox({ evicts: true })) as Mailbox<object>;

/** Each breaks the bus, and answers with what mends it. */
export const FAULTS: Readonly<Record<Fault, () => () => void>> = {
  /** One event in a thousand goes without being counted. */
  miscounts() {
    const evict = Reflect.get(mailbox, 'evict');
    let evicted = 0;
    return breaking(mailbox, 'evict', {
      value(this: Mailbox<object>) {
        if (++evicted % 1_000 === 0) evict.call(this);
        return evict.call(this);
      },
    });
  },

  /** The mailbox takes whatever comes and says that it has room, in number and in bytes: either bound would hold. */
  hoards() {
    const mends = (['length', 'bytes'] as const).map((name) => {
      const queued = Object.getOwnPropertyDescriptor(mailbox, name)!;
      return breaking(mailbox, name, {
        get(this: Mailbox<object>) {
          return Math.min(queued.get!.call(this) as number, 10);
        },
      });
    });
    return () => mends.forEach((mend) => mend());
  },

  /** Some hundred bytes stay behind for every event, which a process may not feel for hours. */
  leaks() {
    const kept: object[] = [];
    return onTake(({ event }) => void kept.push({ ...event }));
  },

  /** Every four hundredth event is looked at for so long that everybody else notices. */
  holds() {
    let taken = 0;
    return onTake(() => {
      if (++taken % 400 !== 0) return;
      for (const end = busyMs() + 40; busyMs() < end;);
    });
  },
};

function onTake(look: (envelope: Envelope) => void): () => void {
  const take = Reflect.get(Subscription.prototype, 'take');
  return breaking(Subscription.prototype, 'take', {
    value(this: Subscription, envelope: Envelope) {
      look(envelope);
      return take.call(this, envelope);
    },
  });
}

function breaking(prototype: object, name: string, as: PropertyDescriptor): () => void {
  const whole = Object.getOwnPropertyDescriptor(prototype, name)!;
  Object.defineProperty(prototype, name, { ...whole, ...as });
  return () => void Object.defineProperty(prototype, name, whole);
}
