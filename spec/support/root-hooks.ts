import { expect } from 'chai';
import { turn } from './turns.ts';

// For the stacks of the specs; as an option of Node it would be that of every worker and child too, which they pay for.
process.setSourceMapsEnabled(true);

let reasons: unknown[] = [];
const listener = (reason: unknown): void => void reasons.push(reason);

/** Holds for the whole suite: a test that leaves a rejection unhandled fails. (Mocha 12 takes them silently.) */
export const mochaHooks = {
  beforeEach(): void {
    reasons = [];
    process.on('unhandledRejection', listener);
  },
  async afterEach(): Promise<void> {
    // They are told when the microtasks have run dry.
    await turn();
    process.off('unhandledRejection', listener);
    expect(reasons, 'unhandled rejections').to.deep.equal([]);
  },
};
