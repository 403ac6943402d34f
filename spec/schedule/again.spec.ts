import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const MINUTE = 60_000;

describe('scheduling the same event again', () => {
  it('replaces what waits under its id where no key is given', async () => {
    const { bus, clock, ofType } = await createTestBus({ store: memory() });
    const first = await bus.schedule('a', 1, { after: '1m', id: 'mine' });
    expect(first.key).to.equal('mine');
    await bus.schedule('a', 1, { after: '2m', id: 'mine' });
    expect(await bus.schedules.list()).to.have.length(1);
    await clock.advance(5 * MINUTE);
    expect(ofType('a')).to.have.length(1);
    expect(await bus.schedule('a', 1, { after: '1m', id: 'mine' })).to.include({ duplicate: true });
    await clock.advance(5 * MINUTE);
    expect(ofType('a')).to.have.length(1);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });

  it('emits it once under several keys, without a letter', async () => {
    const { bus, clock, ofType } = await createTestBus({ store: memory() });
    const said: unknown[] = [];
    bus.on('$bus.schedule.*', ({ payload }) => said.push(payload));
    for (const key of ['x', 'y']) await bus.schedule('a', 1, { after: '1m', id: 'mine', key });
    await bus.schedule('a', 1, { after: '2m', id: 'mine', key: 'z' });
    await bus.schedule('b', 1, { after: '3m', id: 'published' });
    await bus.publish('b', 1, { id: 'published' });
    await clock.advance(5 * MINUTE);
    expect([ofType('a').length, ofType('b').length]).to.deep.equal([1, 1]);
    expect([said, await bus.deadLetters.list(), await bus.schedules.list()]).to.deep.equal([[], [], []]);
  });

  it('is refused at once where other content is stored under its id', async () => {
    const { bus } = await createTestBus({ store: memory() });
    await bus.publish('a', 1, { id: 'mine' });
    expect((await rejectionOf(bus.schedule('a', 2, { after: '1m', id: 'mine' }))).code).to.equal('EVENT_CONFLICT');
    expect(await bus.schedule('a', 1, { after: '1m', id: 'mine' })).to.include({ duplicate: true });
    expect(await bus.schedules.list()).to.deep.equal([]);
  });
});

describe('what schedules say', () => {
  it('names an unknown option and those that are known', async () => {
    const { bus } = await createTestBus();
    const { message } = await rejectionOf(bus.schedule('a', 1, { afer: 1 } as never));
    expect(message).to.match(/`afer`.*\bat, after, key, id\b/);
    expect(message).not.to.match(/\btime\b|transient/);
  });

  it('refuses to list and to cancel on a closed bus', async () => {
    for (const store of [undefined, memory()]) {
      const bus = await createBus(store ? { store } : {});
      await bus.close();
      expect((await rejectionOf(bus.schedules.list())).code).to.equal('BUS_CLOSED');
      expect((await rejectionOf(bus.schedules.cancel('x'))).code).to.equal('BUS_CLOSED');
    }
  });

  it('tells at the end how many a bus without store has forgotten', async () => {
    const clock = createVirtualClock();
    const bus = await createBus({ clock });
    for (const key of ['x', 'y', 'z']) await bus.schedule('a', 1, { after: '1m', key });
    await bus.schedules.cancel('x');
    await bus.schedule('a', 1, { after: 1 });
    await clock.advance(10);
    expect(await bus.close()).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0, schedules: 2 });
    const kept = await createTestBus({ store: memory() });
    await kept.bus.schedule('a', 1, { after: '1m' });
    expect(await kept.bus.close()).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
  });

  it('belongs to the event of the context it was scheduled through, wherever it is called', async () => {
    const { bus, clock, ofType } = await createTestBus({ store: memory() });
    const calls: (() => Promise<unknown>)[] = [];
    bus.on('a', (_, { schedule }) => void calls.push(() => schedule('b', null, { after: '1m' })));
    const { id, correlationId } = bus.emit('a', null);
    await bus.settled();
    await calls[0]!();
    await clock.advance(MINUTE);
    expect(ofType('b')[0]).to.include({ causationId: id, correlationId });
  });
});
