import { expect } from 'chai';
import { z } from 'zod';
import { createTestBus, createVirtualClock, defineEvents } from '../support/doors.ts';
import { memory } from '../../plugins/memory/index.ts';

describe('createTestBus', () => {
  it('opens a bus in memory, on a clock that moves when told, and records what is dispatched', async () => {
    const { bus, clock, events, ofType } = await createTestBus();
    const started = clock.now();
    bus.on('tick', async () => {
      await new Promise<void>((resolve) => void clock.after(5_000, resolve));
      bus.emit('tock', null);
    });
    bus.emit('tick', null);
    await clock.advance(4_999);
    expect(ofType('tock')).to.deep.equal([]);
    await clock.advance(1);
    expect(ofType('tock')[0]!.time).to.equal(started + 5_000);
    expect(events.map(({ type }) => type)).to.deep.equal(['tick', 'tock']);
    expect(bus.health()).to.include({ durability: 'memory' });
    await bus.close();
  });

  it('leaves the bus’s own events out', async () => {
    const { bus, events } = await createTestBus();
    bus.on('$bus.**', () => undefined);
    bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', null);
    await bus.flush();
    expect(events.map(({ type }) => type)).to.deep.equal(['a']);
  });

  it('takes the options of createBus, a store and declarations among them', async () => {
    const store = memory();
    const { bus, events } = await createTestBus({ store, source: 'test', events: defineEvents({ n: z.number() }) });
    bus.emit('n', 1);
    await bus.close();
    expect(events[0]).to.include({ source: 'test', payload: 1 });
    await store.open();
    expect(await store.head()).to.include({ position: 1 });
  });

  it('starts its clock where it is told', () => {
    expect(createVirtualClock(5).now()).to.equal(5);
  });
});
