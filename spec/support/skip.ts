import type { Context } from 'mocha';

/** Skips the running test and prints why, on a line of its own: the checks show every line that begins like this. */
export function skip(test: Context, reason: string): never {
  process.stdout.write(`\nSKIPPED ${reason}\n`);
  return test.skip();
}
