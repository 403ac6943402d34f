import { expected } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { invoke, isThenable, letGo, type Failure } from './invoke.ts';

/** What a key function threw, or that it answered something that is no key. */
export class KeyFailure {
  readonly failure: Failure;

  constructor(failure: Failure) {
    this.failure = failure;
  }
}

/** The key of an event as text. A key function is user code and runs as alone as a handler. */
export function laneKey(keyOf: (event: TelltaleEvent) => unknown, event: TelltaleEvent): string | KeyFailure {
  let key = '';
  const failure = invoke((of) => void (key = toText(keyOf(of))), event, { attempt: 1 });
  // A handler that answers nothing has no Promise to wait for.
  return failure === undefined ? key : new KeyFailure(failure as Failure);
}

// Throws what JSON cannot tell (BigInt, cycles).
function toText(key: unknown): string {
  if (typeof key === 'string') return key;
  if (!isThenable(key)) return JSON.stringify(key) ?? '';
  letGo(key);
  throw expected('INVALID_OPTION', 'the answer of `key`', 'a value that is there at once', key);
}
