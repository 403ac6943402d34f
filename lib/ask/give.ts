import type { Asking } from '../context.ts';
import { isThenable } from '../invoke/invoke.ts';

/** Checks and copies a value that goes to an asker. Throws `PAYLOAD_*`. */
export type AdmitAnswer = (value: unknown) => unknown;

/**
 * Gives what an answer handler came up with to its asker: a value, a Promise of one, or an async iterable, whose items
 * are the parts of the answer. Answers a Promise where it takes time. Throws and rejects with what the handler does.
 */
export function give(asking: Asking, result: unknown, admit: AdmitAnswer): void | Promise<void> {
  if (isThenable(result)) return later(asking, result, admit);
  if (isStream(result)) return giveParts(asking, result, admit);
  asking.answered(admit(result));
}

async function later(asking: Asking, result: PromiseLike<unknown>, admit: AdmitAnswer): Promise<void> {
  const value = await result;
  if (isStream(value)) return giveParts(asking, value, admit);
  asking.answered(admit(value));
}

async function giveParts(asking: Asking, stream: AsyncIterable<unknown>, admit: AdmitAnswer): Promise<void> {
  const iterator = stream[Symbol.asyncIterator]();
  let over = false;
  const stop = async (): Promise<void> => {
    if (over) return;
    over = true;
    await iterator.return?.();
  };
  // At once, not with the next part: it may wait for something that never comes. What it throws now comes late.
  const forget = asking.whenGivenUp(() => void stop().catch((error: unknown) => asking.failed(error)));
  try {
    while (asking.status === 'open') {
      const next: IteratorResult<unknown> = await iterator.next();
      over ||= next.done === true;
      if (over) break;
      const room = asking.part(admit(next.value));
      if (room) await room;
    }
    asking.ended();
  } catch (error) {
    // The asker is told what came first.
    await stop().catch(() => undefined);
    throw error;
  } finally {
    forget();
  }
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
