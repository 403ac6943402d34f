// Compiled with everything else: a line that should not compile carries the proof that it does not.
import { z } from 'zod';
import { createBus, defineEvents } from '../../lib/index.ts';
import type { Behaviour } from '../../lib/index.ts';

const events = defineEvents({
  deposit: z.object({ amount: z.number() }),
  deposited: z.object({ amount: z.number() }),
});

interface Balance {
  readonly balance: number;
}

/** Never called: only its types matter. */
export async function actorsOfDeclaredEvents(): Promise<void> {
  const bus = await createBus({ events });
  const account = bus.actor<Balance>('account', {
    initial: { balance: 0 },
    receive: ({ balance }, event, { answer }) => {
      answer(balance);
      return event.type === 'deposit' ? { type: 'deposited', payload: { amount: event.payload.amount } } : undefined;
    },
    apply: ({ balance }, { payload }) => ({ balance: balance + payload.amount }),
  });
  account.tell('deposit', { amount: 1 });
  // @ts-expect-error no such type is declared
  account.tell('withdraw', { amount: 1 });
  // @ts-expect-error an amount is a number
  account.tell('deposit', { amount: '1' });
  const state: Balance | undefined = await account.state();
  const answer: number = await account.ask('deposit', { amount: 1 });
  bus.actor('counter', { initial: 0, receive: (count) => count + (state?.balance ?? answer) });
  // @ts-expect-error the state is a number
  bus.actor('counter', { initial: 0, receive: () => new Date() });
  // @ts-expect-error no such type is declared
  bus.actor('other', { initial: 0, receive: () => ({ type: 'withdrawn', payload: { amount: 1 } }), apply: (n) => n });
}

/** Without declarations every type is taken, and payloads are unknown. */
export const loose: Behaviour<number> = {
  initial: (key) => key.length,
  key: 'payload.of',
  receive: async (count, { payload }) => count + (payload as number),
};
