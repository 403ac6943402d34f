import { expect } from 'chai';
import sinon from 'sinon';
import { createVirtualClock } from '../../lib/clock.ts';
import { Reports } from '../../lib/observe/reports.ts';
import { createTestBus } from '../../lib/testing.ts';

function open(heard = true) {
  const clock = createVirtualClock();
  const emit = sinon.spy();
  const reports = new Reports({ clock, heard: () => heard, emit });
  return { clock, emit, reports };
}

describe('Reports', () => {
  it('says a thing at once and sums up its repetitions within a second, last words kept', async () => {
    const { clock, emit, reports } = open();
    for (const n of [1, 2, 3]) reports.say('$bus.store.failed', 'store', { n });
    reports.say('$bus.store.failed', 'other', { n: 9 });
    expect(emit.args.map(([, about]) => about as unknown)).to.deep.equal([
      { n: 1, count: 1 },
      { n: 9, count: 1 },
    ]);
    await clock.advance(1_000);
    expect(emit.lastCall.args).to.deep.equal(['$bus.store.failed', { n: 3, count: 2 }]);
    expect(emit.callCount).to.equal(3);
    reports.say('$bus.store.failed', 'store', { n: 4 });
    expect(emit.lastCall.args[1]).to.deep.equal({ n: 4, count: 1 });
  });

  it('says some things once in the life of the bus', async () => {
    const { clock, emit, reports } = open();
    for (let i = 0; i < 3; i++) {
      reports.sayOnce('$bus.loop.suspected', 'a → b', {});
      await clock.advance(5_000);
    }
    expect(emit.callCount).to.equal(1);
  });

  it('makes nothing while nobody listens', () => {
    const { emit, reports } = open(false);
    reports.say('$bus.store.failed', 'store', {});
    reports.sayOnce('$bus.loop.suspected', 'a', {});
    reports.close();
    expect(emit.callCount).to.equal(0);
  });

  it('says what it still has when it is closed', () => {
    const { emit, reports } = open();
    for (const n of [1, 2, 3]) reports.say('$bus.store.failed', 'store', { n });
    reports.close();
    expect(emit.lastCall.args).to.deep.equal(['$bus.store.failed', { n: 3, count: 2 }]);
  });

  it('are transient events that no handler can make more of', async () => {
    const { bus } = await createTestBus();
    let reports = 0;
    bus.on('$bus.**', () => {
      reports++;
      throw new Error('no');
    });
    bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', null);
    await bus.flush();
    expect(reports).to.equal(1);
    expect(await bus.deadLetters.list()).to.have.length(1);
  });
});
