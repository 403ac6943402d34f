import { expect } from 'chai';
import fc from 'fast-check';
import type { Actor } from '../../lib/acting-api.ts';
import { turn } from '../support/turns.ts';
import { booksOf, createActorBus } from './actor-bus.ts';

const DEEDS = ['do', 'do later', 'throw', 'throw later', 'stash', 'unstash', 'stop', 'spawn'] as const;
type Step = { readonly deed: (typeof DEEDS)[number]; readonly key: string } | { readonly wait: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ deed: fc.constantFrom(...DEEDS), key: fc.constantFrom('a', 'b', 'c') }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.constantFrom(0, 5, 70_000) }) },
);

const policies = fc.constantFrom('reject', 'drop-oldest', 'latest-by-key');
const strategies = fc.constantFrom('resume', 'restart', 'stop');

describe('the books of actors', () => {
  it('balance at every moment, whatever they do and whenever they end', async function () {
    this.timeout(30_000);
    const run = fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      policies,
      strategies,
      async (steps, overflow, strategy) => {
        const { bus, clock } = await createActorBus({ closeTimeout: 100 });
        const actor: Actor<number> = bus.actor<number>('a', {
          initial: 0,
          key: 'payload.key',
          mailbox: { max: 3, overflow },
          supervise: { strategy, attempts: 2, maxRestarts: 3, backoff: { delay: 2, jitter: 0 } },
          receive: (n, { payload }, { stash, unstash, stop, spawn }) => {
            const { deed } = payload as { readonly deed: string };
            if (deed === 'throw') throw new Error('thrown');
            if (deed === 'throw later') return turn().then(() => Promise.reject(new Error('rejected')));
            if (deed === 'do later') return turn().then(() => n + 1);
            if (deed === 'stash') return stash();
            if (deed === 'unstash') unstash();
            if (deed === 'stop') stop();
            if (deed === 'spawn') spawn('child', { initial: 0, receive: (m) => m + 1 }).tell('x', null);
            return n + 1;
          },
        });
        let told = 0;
        for (const one of steps) {
          if ('wait' in one) await clock.advance(one.wait);
          else {
            actor.tell('x', one);
            told++;
          }
          expect(booksOf(bus, 'a').routed).to.equal(told);
        }
        const closed = bus.close();
        await clock.advance(10_000);
        await closed;
        const { routed, handled, failed, dropped, cancelled } = bus.metrics().actorsGone;
        expect(handled + failed + dropped + cancelled).to.equal(routed);
        expect(bus.metrics().actors).to.deep.equal([]);
      },
    );
    await fc.assert(run, { numRuns: 60 });
  });
});
