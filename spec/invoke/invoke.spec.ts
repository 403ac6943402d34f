import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { createVirtualClock } from '../../lib/clock.ts';
import { invoke } from '../../lib/invoke/invoke.ts';
import { parseRetry } from '../../lib/retry.ts';

describe('invoke', () => {
  it('answers undefined for a synchronous handler that succeeds, whatever it answers', () => {
    // oxlint-disable-next-line unicorn/no-thenable -- it has no function there
    for (const answer of [undefined, null, 0, 'text', {}, [], () => 1, { then: 1 }]) {
      expect(invoke(() => answer, 'event', { attempt: 1 })).to.equal(undefined);
    }
  });

  it('answers a failure for one that throws, and hands over event and context', () => {
    const context = { attempt: 1 };
    const handler = (event: string, given: object): never => {
      throw new Error(`${event} ${given === context}`);
    };
    const failure = invoke(handler, 'event', context) as { error: Error; attempts: number };
    expect([failure.error.message, failure.attempts]).to.deep.equal(['event true', 1]);
  });

  it('answers a Promise that never rejects for an asynchronous one', async () => {
    const boom = new Error('boom');
    expect(await invoke(async () => 42, 'event', { attempt: 1 })).to.equal(undefined);
    expect(await invoke(() => Promise.reject(boom), 'event', { attempt: 1 })).to.deep.equal({
      error: boom,
      attempts: 1,
    });
  });

  it('tries again as often as allowed and answers the last failure with its attempts', async () => {
    const clock = createVirtualClock();
    const policy = parseRetry({ attempts: 3, delay: 10, jitter: 0 })!;
    const { signal } = new AbortController();
    let calls = 0;
    const outcome = invoke(
      () => Promise.reject(new Error(String(++calls))),
      'event',
      { attempt: 1 },
      { policy, clock, signal },
    );
    await clock.advance(1_000);
    const failure = (await outcome) as { error: Error; attempts: number };
    expect([failure.error.message, failure.attempts]).to.deep.equal(['3', 3]);
  });

  it('stops trying when the signal is aborted, and leaves no listener on it', async () => {
    const clock = createVirtualClock();
    const policy = parseRetry({ attempts: Infinity, delay: '1h', maxDelay: '1h', factor: 1 })!;
    const abort = new AbortController();
    const { signal } = abort;
    let calls = 0;
    const outcome = invoke(
      () => Promise.reject(new Error(String(++calls))),
      'event',
      { attempt: 1 },
      { policy, clock, signal },
    );
    await clock.advance(3 * 3_600_000);
    expect(calls).to.be.within(3, 5);
    const before = calls;
    abort.abort();
    expect(await outcome).to.deep.include({ attempts: before });
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
  });
});
