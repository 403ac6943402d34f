import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

async function startWith(count: number, options: Parameters<typeof createTestBus>[0] = {}) {
  const test = await createTestBus(options);
  test.bus.on('$bus.consumer.**', () => undefined);
  for (let n = 1; n <= count; n++) await test.bus.publish('a', n);
  return test;
}

describe('rewind', () => {
  refuseUnhandledRejections();

  it('takes turns with another rewind while a handler runs: both resolve, and the last one counts', async () => {
    const { bus } = await startWith(5);
    const gate = createGate();
    const seen: unknown[] = [];
    const consumer = bus.consume('c', 'a', async ({ payload }) => {
      seen.push(payload);
      if (seen.length === 3) await gate.promise;
    });
    await turnsUntil(() => seen.length === 3);
    const both = Promise.all([consumer.rewind('earliest'), consumer.rewind(4)]);
    await turn();
    gate.open();
    await both;
    await consumer.caughtUp();
    expect(seen.slice(-2)).to.deep.equal([4, 5]);
    expect(consumer.position).to.equal(5);
    await bus.close();
  });

  it('settles where the consumer is stopped right behind it, also when a handler hangs', async () => {
    const { bus, clock } = await startWith(2, { closeTimeout: '1s' });
    let running = 0;
    const consumer = bus.consume('c', 'a', () => {
      running++;
      return new Promise(() => undefined);
    });
    await turnsUntil(() => running === 1);
    const rewound = rejectionOf(consumer.rewind(1));
    const stopped = consumer.stop();
    await clock.advance(2_000);
    await stopped;
    expect(await rewound).to.include({ code: 'INVALID_OPTION' });
    await bus.close();
  });

  it('refuses a place behind the next event to come, and names the end of the log', async () => {
    const { bus } = await startWith(3);
    const seen: unknown[] = [];
    const consumer = bus.consume('c', 'a', ({ payload }) => void seen.push(payload));
    await consumer.caughtUp();
    for (const place of [5, { position: 1_000 }]) {
      const error = await rejectionOf(consumer.rewind(place));
      expect(error).to.include({ code: 'INVALID_PLACE' });
      expect((error as Error).message).to.contain('the log ends at 3');
    }
    await consumer.rewind(4);
    await bus.publish('a', 4);
    await consumer.caughtUp();
    expect(seen).to.deep.equal([1, 2, 3, 4]);
    await bus.close();
  });
});
