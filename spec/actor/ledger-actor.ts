import type { Behaviour } from '../../lib/acting-api.ts';

/** Adds up what it is told, as facts that depend on what it has seen before. */
export const ledger: Behaviour<{ readonly sum: number; readonly seen: readonly number[] }> = {
  initial: { sum: 0, seen: [] },
  durable: true,
  snapshot: { every: 7 },
  receive: ({ seen }, { payload }) => ({ type: 'ledger.added', payload: { amount: payload, place: seen.length } }),
  apply: ({ sum, seen }, { payload }) => {
    const { amount } = payload as { readonly amount: number };
    return { sum: sum + amount, seen: [...seen, amount] };
  },
};
