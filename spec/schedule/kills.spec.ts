import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { mortal } from '../support/dying-store.ts';
import { logged } from '../support/logged.ts';

const MINUTE = 60_000;

/** What one order is worth: paid as an effect, and told as overdue after a minute. */
async function serve(store: Store, clock: VirtualClock, pay: () => number, results: unknown[]): Promise<void> {
  const bus = await createBus({ store, clock });
  bus.consume('orders', 'order.placed', async ({ id, payload }, { effect }) => {
    results.push(await effect('pay', pay));
    await bus.schedule('order.overdue', payload, { after: '1m', key: 'order/1', id: `${id} overdue` });
  });
  await clock.advance(10_000);
}

/** Places an order in a process that dies at its nth call of the store; another one goes on with its log. */
async function kill(nth: number, dies: 'before' | 'behind') {
  const log = memory();
  const clock = createVirtualClock();
  await log.open({ clock });
  const placed = await createBus({ store: mortal(log, Infinity, 'before').store, clock });
  await placed.publish('order.placed', { n: 1 });
  let runs = 0;
  const results: unknown[] = [];
  const first = mortal(log, nth, dies);
  void serve(first.store, clock, () => ++runs, results);
  await clock.advance(10_000);
  await clock.advance(10 * MINUTE);
  const wasRecorded = (await logged(log, true)).some(({ type }) => type === '$effect.done');
  const runsOfFirst = runs;
  void serve(mortal(log, Infinity, 'before').store, clock, () => ++runs, results);
  await clock.advance(10_000);
  await clock.advance(10 * MINUTE);
  return { log, first, runs, runsOfFirst, wasRecorded, results };
}

describe('a process killed at each call of its store', () => {
  for (const dies of ['before', 'behind'] as const)
    it(`${dies} that call has paid once and told once, after another one went on`, async () => {
      let paidTwice = 0;
      let nth = 1;
      for (; ; nth++) {
        const { log, first, runs, runsOfFirst, wasRecorded, results } = await kill(nth, dies);
        const types = (await logged(log, true)).map(({ type }) => type);
        const count = (wanted: string): number => types.filter((type) => type === wanted).length;
        const which = `call ${nth}: ${types.join(' ')}`;
        expect(count('order.overdue'), which).to.equal(1);
        expect(count('$effect.done'), which).to.equal(1);
        // Only between the function and the store is there a gap.
        if (wasRecorded) expect(runs, which).to.equal(runsOfFirst);
        expect(runs, which).to.be.within(1, 2);
        if (runs === 2) paidTwice++;
        expect(new Set(results.slice(-1)), which).to.deep.equal(new Set([runs]));
        if (!first.isDead) break;
      }
      expect(nth).to.be.greaterThan(15);
      // A function that has run and is not in the log: the one gap there is.
      expect(paidTwice).to.equal(dies === 'before' ? 1 : 0);
    }).timeout(30_000);
});
