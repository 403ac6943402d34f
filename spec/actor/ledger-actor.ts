import type { Behaviour } from '../../lib/acting-api.ts';

/** Adds up what it is told, as facts. */
export const ledger: Behaviour<{ readonly sum: number; readonly seen: readonly number[] }> = {
  initial: { sum: 0, seen: [] },
  durable: true,
  snapshotEvery: 7,
  receive: (_, { payload }) => ({ type: 'ledger.added', payload }),
  apply: ({ sum, seen }, { payload }) => ({ sum: sum + (payload as number), seen: [...seen, payload as number] }),
};
