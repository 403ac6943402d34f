import { expect } from 'chai';
import { turn } from './turns.ts';

/**
 * Makes every test of the current `describe` fail that leaves a rejection unhandled: mocha 12 takes them silently.
 * (Uncaught exceptions fail the test by themselves.)
 */
export function refuseUnhandledRejections(): void {
  let reasons: unknown[] = [];
  const listener = (reason: unknown): void => void reasons.push(reason);
  beforeEach(() => {
    reasons = [];
    process.on('unhandledRejection', listener);
  });
  afterEach(async () => {
    // They are told when the microtasks have run dry.
    await turn();
    process.off('unhandledRejection', listener);
    expect(reasons, 'unhandled rejections').to.deep.equal([]);
  });
}
