import { TelltaleError, messageOf } from '../errors.ts';

/** Nobody was there to answer, or nobody whose filter took the request. */
export function noAnswerer(address: string, text = 'nobody answers it'): TelltaleError {
  return new TelltaleError('ASK_NO_ANSWERER', `asked \`${address}\`, but ${text}`, { details: { address } });
}

export function cycle(address: string, path: readonly string[]): TelltaleError {
  const round = [...path.slice(path.indexOf(address)), address].join(' → ');
  const text = `asked \`${address}\` while it is being answered: ${round} would wait for itself`;
  return new TelltaleError('ASK_CYCLE', text, { details: { address, path: [...path] } });
}

/** What the answerer threw is the `cause`. */
export function askFailed(address: string, cause: unknown): TelltaleError {
  const text = `the answerer of \`${address}\` failed: ${messageOf(cause)}`;
  return new TelltaleError('ASK_FAILED', text, { cause, details: { address } });
}

export function timedOut(address: string, text: string, details: Readonly<Record<string, unknown>>): TelltaleError {
  return new TelltaleError('TIMEOUT', `${text} to \`${address}\``, { details: { address, ...details } });
}

export function aborted(address: string, reason: unknown): TelltaleError {
  return new TelltaleError('ABORTED', `the ask of \`${address}\` was aborted`, { cause: reason, details: { address } });
}

export function busClosed(address: string): TelltaleError {
  return new TelltaleError('BUS_CLOSED', `the bus was closed before \`${address}\` was answered`, {
    details: { address },
  });
}

export function tooManyParts(address: string, max: number): TelltaleError {
  const text = `the answer of \`${address}\` has more than ${max} parts; read them with askStream`;
  return new TelltaleError('MAILBOX_FULL', text, { details: { address, max } });
}

export function noQuorum(address: string, about: QuorumCount, errors: readonly unknown[]): TelltaleError {
  const { needed, answered, of } = about;
  const text = `\`${address}\` cannot get ${needed} answers: ${answered} of ${of} answered, ${errors.length} failed`;
  const cause = errors.length > 0 ? { cause: new AggregateError(errors, 'the answers that failed') } : {};
  return new TelltaleError('ASK_NO_QUORUM', text, { ...cause, details: { address, ...about } });
}

export interface QuorumCount {
  readonly needed: number;
  readonly answered: number;
  /** How many were asked. */
  readonly of: number;
}
