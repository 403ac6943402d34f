import { TelltaleError, type ErrorCode } from '../../lib/errors.ts';

/** The typed error of what must throw one. Any other error, or none, fails the test. */
export function refusalOf(fn: () => unknown): TelltaleError {
  let answer: unknown;
  try {
    answer = fn();
  } catch (error) {
    if (error instanceof TelltaleError) return error;
    throw error;
  }
  throw new Error(`expected a TelltaleError, got ${String(answer)}`);
}

export function codeOf(fn: () => unknown): ErrorCode {
  return refusalOf(fn).code;
}
