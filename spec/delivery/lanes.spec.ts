import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';

const depth = (): number => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = Infinity;
  const { length } = new Error().stack!.split('\n');
  Error.stackTraceLimit = stackTraceLimit;
  return length;
};

describe('a batch of which one has failed', () => {
  it('is gone through one by one, in order, however long it is, and not deeper and deeper', async () => {
    const { bus } = await createTestBus();
    bus.on('$bus.handler.failed', () => undefined);
    for (let n = 0; n < 900; n++) await bus.publish('a', n);
    const depths: number[] = [];
    const seen: unknown[] = [];
    const handler = (events: readonly { readonly payload: unknown }[]): void => {
      if (events.length > 1) throw new Error('one of them');
      depths.push(depth());
      if (events[0]!.payload === 500) throw new Error('this one');
      seen.push(events[0]!.payload);
    };
    const consumer = bus.consume(
      'c',
      'a',
      handler as never,
      { batch: { max: 900, wait: '1s' }, retry: false } as never,
    );
    await consumer.caughtUp();
    expect(seen).to.deep.equal([...Array(900).keys()].filter((n) => n !== 500));
    expect(depths.at(-2)! - depths[1]!).to.be.below(10);
    expect(bus.metrics().consumers[0]).to.include({ handled: 899, skipped: 1, queued: 0, running: 0 });
    await bus.close();
  });
});
