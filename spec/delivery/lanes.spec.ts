import { expect } from 'chai';
import { partitionOf } from '../../lib/delivery/partition-of.ts';
import { createTestBus } from '../../lib/testing.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';

const depth = (): number => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = Infinity;
  const { length } = new Error().stack!.split('\n');
  Error.stackTraceLimit = stackTraceLimit;
  return length;
};

const keyUnless2 = ({ payload }: { readonly payload: unknown }): string => {
  if (payload === 2) throw new Error('no key');
  return 'key';
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

  it('is in the books whole while it is gone through', async () => {
    const { bus } = await createTestBus();
    bus.on('$bus.handler.failed', () => undefined);
    const gate = createGate();
    let alone = 0;
    const handler = async (events: readonly unknown[]): Promise<void> => {
      if (events.length > 1) throw new Error('one of them');
      alone++;
      await gate.promise;
    };
    const consumer = bus.consume('c', 'a', handler, { batch: { max: 5, wait: '1s' }, retry: false });
    for (let n = 0; n < 5; n++) await bus.publish('a', n);
    await turnsUntil(() => alone === 1);
    expect(bus.metrics().consumers[0]).to.include({ taken: 5, handled: 0, running: 1, queued: 4 });
    gate.open();
    await consumer.caughtUp();
    expect(bus.metrics().consumers[0]).to.include({ taken: 5, handled: 5, running: 0, queued: 0 });
    await bus.close();
  });
});

describe('an event whose key cannot be told', () => {
  it('is left out without a lane: of its partition there is one batch at a time', async () => {
    const { bus } = await createTestBus();
    bus.on('$bus.handler.failed', () => undefined);
    let id = 0;
    while (partitionOf(String(id)) !== partitionOf('key')) id++;
    const calls: unknown[] = [];
    let end!: () => void;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const handler = async (events: readonly { readonly payload: unknown }[]): Promise<void> => {
      calls.push(events.map(({ payload }) => payload));
      await ended;
    };
    const options = { batch: { max: 1 }, group: true, key: keyUnless2, retry: false };
    const consumer = bus.consume('c', 'a', handler as never, options as never);
    await bus.publish('a', 1);
    while (calls.length === 0) await turn();
    await bus.publish('a', 2, { id: String(id) });
    await bus.publish('a', 3);
    while (bus.metrics().consumers[0]!.skipped === 0) await turn();
    expect(calls).to.deep.equal([[1]]);
    end();
    await consumer.caughtUp();
    expect(calls).to.deep.equal([[1], [3]]);
    await bus.close();
  });
});
