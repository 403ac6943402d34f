import { isTelltaleError, TelltaleError } from '../errors.ts';
import { admit, type Admitted } from '../event/admission.ts';
import { toPlain } from '../event/to-plain.ts';

/** The payload of `$effect.done`. */
export interface EffectDone {
  /** Whose effect it is, by kind: `consumer:mailer`, `actor:account/7`, `group:workers/order.*`, `on:order.placed`. */
  readonly recipient: string;
  readonly eventId: string;
  readonly name: string;
  /** As plain data; absent where the function answered with nothing. */
  readonly result?: unknown;
}

/** Sizes are estimated in two ways that differ by less than this. */
const ROOM = 4;

/** What a function has answered, as it is stored and given back; or why it cannot be: it has run all the same. */
export function admitDone(
  done: EffectDone,
  maxBytes: number,
): { readonly done: Admitted } | { readonly refusal: TelltaleError } {
  try {
    return { done: admitted(done, maxBytes) };
  } catch (error) {
    const { code, message } = error as TelltaleError;
    const text = `effect \`${done.name}\` was carried out, but its result cannot be kept: ${message}`;
    return { refusal: new TelltaleError(code, text, { cause: error }) };
  }
}

function admitted(done: EffectDone, maxBytes: number): Admitted {
  try {
    return admit(done, 'payload', maxBytes);
  } catch (error) {
    if (isTelltaleError(error, 'PAYLOAD_TOO_LARGE') || isTelltaleError(error, 'PAYLOAD_TOO_DEEP')) throw error;
  }
  // What is cut here is too large below.
  const result = toPlain(done.result, { maxBytes: ROOM * maxBytes, maxDepth: 90 });
  return admit({ ...done, result }, 'payload', maxBytes);
}
