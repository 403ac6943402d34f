import { expect } from 'chai';
import fc from 'fast-check';
import { createTestBus } from '../../lib/testing.ts';
import { expectBalanced } from '../support/balance.ts';
import { turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

/** What an asker does: how it asks, after how long its answer comes, and when it gives up. */
const asker = fc.record({
  way: fc.constantFrom('one', 'all', 'quorum', 'each', 'stream', 'break', 'nested'),
  answer: fc.constantFrom('value', 'throw', 'never', 'parts'),
  afterMs: fc.nat({ max: 30 }),
  timeoutMs: fc.integer({ min: 1, max: 40 }),
  abortMs: fc.option(fc.nat({ max: 20 })),
  store: fc.boolean(),
});

type Asker = typeof asker extends fc.Arbitrary<infer One> ? One : never;
type Test = Awaited<ReturnType<typeof createTestBus>>;

function addAnswerers({ bus, clock }: Test, limits: object): void {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));
  const answer = async ({ payload }: { payload: unknown }, context: { signal: AbortSignal }): Promise<unknown> => {
    const { answer: kind, afterMs } = payload as Asker;
    await wait(afterMs);
    if (kind === 'throw') throw new Error('planted');
    if (kind === 'never') return untilAborted(context.signal);
    return kind === 'value' ? 1 : parts(wait);
  };
  for (let i = 0; i < 3; i++) bus.answer('job', answer, limits);
  bus.answer('outer', ({ payload }, context) => context.ask('job', payload), limits);
}

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });

async function* parts(wait: (ms: number) => Promise<void>): AsyncGenerator<number> {
  for (let i = 0; i < 5; i++) {
    yield i;
    await wait(3);
  }
}

async function ask({ bus, clock }: Test, one: Asker): Promise<void> {
  const controller = new AbortController();
  if (one.abortMs !== null) clock.after(one.abortMs, () => controller.abort());
  const { signal } = controller;
  const options = { timeout: one.timeoutMs, signal, store: one.store };
  if (one.way === 'one') await bus.ask('job', one, options);
  else if (one.way === 'nested') await bus.ask('outer', one, options);
  else if (one.way === 'all') await bus.ask('job', one, { ...options, to: 'all' });
  else if (one.way === 'quorum') await bus.ask('job', one, { ...options, to: { quorum: 2 } });
  else if (one.way === 'each')
    for await (const _ of bus.askEach('job', [one, one, one], { ...options, concurrency: 2 }));
  else for await (const part of bus.askStream('job', one, options)) if (one.way === 'break' && part === 2) break;
}

describe('the books of asks', function () {
  this.timeout(20_000);
  refuseUnhandledRejections();

  it('balance, whatever is asked, answered, given up and closed; nothing is left waiting', async () => {
    const runs = fc.asyncProperty(
      fc.array(asker, { minLength: 1, maxLength: 25 }),
      fc.constantFrom({}, { concurrency: 1, mailbox: { max: 2 } }),
      fc.option(fc.nat({ max: 40 })),
      async (askers, limits, closeMs) => {
        const test = await createTestBus({ closeTimeout: '1m' });
        const { bus, clock } = test;
        addAnswerers(test, limits);
        const ended = askers.map((one) => ask(test, one).catch(() => undefined));
        let closed: Promise<unknown> | undefined;
        if (closeMs !== null) clock.after(closeMs, () => void (closed = bus.close()));
        for (let i = 0; i < 12; i++) {
          await clock.advance(10);
          const { asked, answered, failed, waiting } = bus.metrics().asks;
          expect(answered + failed + waiting).to.equal(asked);
        }
        await clock.advance(1_000);
        await Promise.all(ended);
        await closed;
        await turn();
        expect(bus.metrics().asks.waiting).to.equal(0);
        const { asked, answered, failed } = bus.metrics().asks;
        expect(answered + failed).to.equal(asked);
        for (const figures of bus.metrics().subscriptions) {
          expectBalanced(figures);
          expect(figures.running + figures.queued, figures.pattern).to.equal(0);
        }
        await bus.close();
      },
    );
    await fc.assert(runs, { numRuns: 60 });
  });
});
