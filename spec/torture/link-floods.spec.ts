import { expect } from 'chai';
import { createBus, type Bus } from '../../lib/index.ts';
import { connectWorkers } from '../../plugins/worker-threads/index.ts';
import { longestHoldMs } from '../support/loop-hold.ts';
import { turn } from '../support/turn.ts';

const SCRIPT = new URL('../worker-threads/script.js', import.meta.url);
const EVENTS = Math.round(300_000 * Number(process.env['TORTURE'] ?? 1));
/** What a process may need more than before: garbage that was not collected yet. */
const MORE_BYTES = 150 * 1024 * 1024;

const MIB = 1024 * 1024;
const ROUNDS = 3;
/** What is on its way, as text and as events, on both sides, and garbage: 150 to 190; without credits in bytes it is 820. */
const BIG_MIB = 400;

/** Fails where memory grew, or a timer was late. */
async function expectCalm(flood: () => Promise<unknown>): Promise<void> {
  const before = process.memoryUsage().rss;
  const heldMs = await longestHoldMs(async () => void (await flood()));
  expect(process.memoryUsage().rss - before).to.be.below(MORE_BYTES);
  expect(heldMs).to.be.below(20);
}

describe('links: floods', () => {
  let bus: Bus;
  before(async () => {
    bus = await createBus({ source: 'main' });
    await connectWorkers(bus, { script: SCRIPT }).ready;
  });
  after(() => bus.close());

  it(`of ${EVENTS} events to a worker hold up nothing, and memory stays`, () =>
    expectCalm(async () => {
      const waiting = (): number => {
        const { running, queued } = bus.metrics().subscriptions.find(({ pattern }) => pattern === 'flood.down')!;
        return running + queued;
      };
      for (let n = 0; n < EVENTS; n++) {
        bus.emit('flood.down', { n, text: 'x'.repeat(100) }, { transient: true });
        if (n % 250 === 249)
          do await turn();
          while (waiting() > 4_000);
      }
      await bus.settled();
      expect(await bus.ask('counted', 1)).to.equal(EVENTS);
    }));

  it(`of ${EVENTS} events from a worker hold up nothing, and memory stays`, () =>
    expectCalm(async () => {
      let heard = 0;
      bus.on('flood.up', () => void heard++);
      expect(await bus.ask('flood.wanted', EVENTS, { timeout: '10m' })).to.equal(EVENTS);
      await bus.settled();
      expect(heard).to.equal(EVENTS);
    }));

  it('of big events, each way, are bounded in bytes: memory stays', async () => {
    const text = 'x'.repeat(MIB);
    const before = process.memoryUsage.rss();
    let most = before;
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5).unref();
    bus.on('big.up', () => undefined);
    for (let round = 0; round < ROUNDS; round++) {
      // More than the worker takes at once: the rest is dropped, and counted.
      for (let n = 0; n < 600; n++) bus.emit('big.down', { n, text }, { transient: true });
      expect(await bus.ask('big.wanted', 40, { timeout: '1m' })).to.equal(40);
      await bus.settled();
    }
    clearInterval(timer);
    expect((most - before) / MIB).to.be.below(BIG_MIB);
  });
});
