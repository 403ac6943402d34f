import type { Receipt } from './api.ts';
import { TelltaleError } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { AppendReceipt } from './store/port.ts';

/** The part of a receipt that says: written nowhere. */
export const NOT_STORED = { position: 0, revision: 0, durability: 'none', duplicate: false } as const;

export function receiptOf({ event }: Envelope, receipt: AppendReceipt): Receipt {
  const { position, durability, duplicate } = receipt;
  return { event, position, revision: receipt.revisions[0] ?? 0, durability, duplicate };
}

export function abortedError(signal: AbortSignal, when: string): TelltaleError {
  return new TelltaleError('ABORTED', `the publish was aborted ${when}`, { cause: signal.reason });
}
