import { isTelltaleError, TelltaleError, messageOf } from '../errors.ts';
import type { ConsumerStatus } from './terms.ts';

export function lostError(name: string, index: number): TelltaleError {
  const text = `partition ${index} of consumer \`${name}\` has another holder: nothing that is still done for it counts`;
  return new TelltaleError('LEASE_LOST', text, { details: { name, partition: index } });
}

export function overError(name: string, status: ConsumerStatus, cause: unknown): TelltaleError {
  return new TelltaleError('INVALID_OPTION', `consumer \`${name}\` does not run: it is ${status}`, { cause });
}

export function lateError(name: string, ms: number): TelltaleError {
  const text = `the last checkpoint of consumer \`${name}\` was not written within ${ms} ms: what it has done since the one before is told again`;
  return new TelltaleError('TIMEOUT', text, { details: { name } });
}

export function insideError(name: string, verb: string): TelltaleError {
  const text = `\`${verb}\` of consumer \`${name}\` called inside its handler would wait for that handler; call it after the handler has returned, for example in setImmediate`;
  return new TelltaleError('WOULD_DEADLOCK', text);
}

export function noResetError(name: string): TelltaleError {
  const text = `\`rewind\` of consumer \`${name}\` needs \`onReset\`, which takes back what its target has made of the events`;
  return new TelltaleError('INVALID_OPTION', text);
}

/** Why it does not go on by itself; undefined where it does, and where somebody has paused or stopped it. */
export function stuckError(name: string, status: ConsumerStatus, cause: unknown): TelltaleError | undefined {
  if (cause === undefined || (status !== 'paused' && status !== 'failed')) return undefined;
  // It goes on when it is told who has its partition now.
  if (status === 'paused' && isTelltaleError(cause, 'LEASE_LOST')) return undefined;
  const code = isTelltaleError(cause) ? cause.code : 'HANDLER_FAILED';
  return new TelltaleError(code, `consumer \`${name}\` is ${status}: ${messageOf(cause)}`, { cause });
}

export function noLetterError(name: string, position: number): TelltaleError {
  const text = `the dead letter about the event at position ${position} was not stored: consumer \`${name}\` passes over none without`;
  return new TelltaleError('STORE_UNAVAILABLE', text, { details: { name, position } });
}
