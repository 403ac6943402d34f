import type { Receipt } from './handler-api.ts';
import type { Carrier, Settle } from './carrier.ts';
import { TelltaleError } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { AppendReceipt, Expectation } from './store/port.ts';

/** The part of a receipt that says: written nowhere. */
export const NOT_STORED = { position: 0, revision: 0, durability: 'none', duplicate: false } as const;

/** The part of a receipt that says: written with the transaction of the handler that published it, when it has ended. */
export const PENDING = { ...NOT_STORED, durability: 'pending' } as const;

export function receiptOf({ event }: Envelope, receipt: AppendReceipt): Receipt {
  const { position, durability, duplicate } = receipt;
  return { event, position, revision: receipt.revisions[0] ?? 0, durability, duplicate };
}

export function abortedError(signal: AbortSignal, when: string): TelltaleError {
  return new TelltaleError('ABORTED', `the publish was aborted ${when}`, { cause: signal.reason });
}

interface CarryTerms {
  readonly fresh: boolean;
  readonly expect?: Expectation;
}

/** Carries one of the bus's own events; answers what became of it. */
export function carried(
  carrier: Carrier,
  envelope: Envelope,
  { fresh, expect }: CarryTerms,
): Promise<Parameters<Settle>[0]> {
  return new Promise((settle) => {
    carrier.carry(envelope, fresh, expect, settle);
  });
}

/** Carries one of the bus's own events into the log. Rejects with what keeps it out of there. */
export async function receiptOfCarried(
  carrier: Carrier,
  envelope: Envelope,
  terms: CarryTerms,
): Promise<AppendReceipt> {
  const outcome = await carried(carrier, envelope, terms);
  if (outcome.status === 'stored') return outcome.receipt;
  throw 'error' in outcome ? outcome.error : new TelltaleError('STORE_FAILED', 'the store takes nothing now');
}
