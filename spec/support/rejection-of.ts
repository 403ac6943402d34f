import { TelltaleError } from '../../lib/errors.ts';

/** The typed error a promise rejects with. Any other error, or none, fails the test. */
export async function rejectionOf(promise: Promise<unknown>): Promise<TelltaleError> {
  let answer: unknown;
  try {
    answer = await promise;
  } catch (error) {
    if (error instanceof TelltaleError) return error;
    throw error;
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(answer)}`);
}
