import { expected, show, TelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import type { StoredEvent } from '../event/event.ts';
import { invoke, isThenable, letGo, type Failure } from '../invoke/invoke.ts';

const MAX_BYTES = 64 * 1024;

/**
 * A caller's function from events to keys, which runs as alone as a handler. What it answers with throws
 * `HANDLER_FAILED` where the caller's throws (position and event in its `details`), `INVALID_QUERY` where the key is no
 * plain data of at most 64 KiB that is there at once.
 */
export function keyFunction(by: (event: StoredEvent) => unknown): (event: StoredEvent) => unknown {
  return (event) => {
    let key: unknown;
    const failure = invoke(() => void (key = by(event)), event, { attempt: 1 });
    // A function that answers nothing is not waited for, so there is no Promise here.
    if (failure !== undefined) throw failed(event, (failure as Failure).error);
    return typeof key === 'string' || key === undefined ? key : plainKey(key, event);
  };
}

function plainKey(key: unknown, { position, id, type }: StoredEvent): unknown {
  const details = { position, eventId: id, type };
  const thing = `the key that \`by\` answers for \`${type}\` ${id} at position ${position}`;
  if (isThenable(key)) {
    letGo(key);
    throw expected('INVALID_QUERY', thing, 'there at once', key, { details });
  }
  try {
    return admit(key, 'payload', MAX_BYTES).value;
  } catch (cause) {
    throw expected('INVALID_QUERY', thing, `plain data of at most ${MAX_BYTES} bytes`, key, { cause, details });
  }
}

function failed({ position, id, type }: StoredEvent, error: unknown): TelltaleError {
  const said = error instanceof Error ? error.message : show(error);
  const text = `the function \`by\` failed on \`${type}\` ${id} at position ${position}: ${said}`;
  return new TelltaleError('HANDLER_FAILED', text, { cause: error, details: { position, eventId: id, type } });
}
