import { expect } from 'chai';
import { createVirtualClock } from '../../lib/clock.ts';
import { createBus, memory } from '../../lib/index.ts';
import { KeptSchedules } from '../../lib/schedule/kept-schedules.ts';
import type { Envelope } from '../../lib/event/envelope.ts';
import { openSchedules } from '../../lib/store/open-schedules.ts';

describe('bus.schedule, one key again and again', () => {
  it('keeps what is open, not what was replaced, however often', async () => {
    const store = memory();
    const bus = await createBus({ store, clock: createVirtualClock() });
    await bus.schedule('first', 0, { after: '1m', key: 'other' });
    for (let n = 0; n < 3_000; n++) await bus.schedule('again', n, { after: '1h', key: 'same' });
    const open = openSchedules(store);
    expect(open.size).to.equal(2);
    expect(open.due.size).to.be.below(1_100);
    expect(open.due.peek()?.key).to.equal('other');
    await bus.close();
  });

  it('does so without a store, too', async () => {
    const kept = new KeptSchedules({ asOfNow: (envelope) => envelope, emit: () => undefined });
    const envelope = { event: { type: 'again' } } as Envelope;
    for (let n = 0; n < 3_000; n++) await kept.set('same', 3_000 - n, envelope);
    expect(kept.due.size).to.be.below(1_100);
    expect(kept.due.peek()).to.deep.include({ position: 3_000, at: 1 });
  });

  it('emits the last one only, at its time', async () => {
    const clock = createVirtualClock();
    const bus = await createBus({ store: memory(), clock });
    const heard: unknown[] = [];
    bus.on('again', ({ payload }) => void heard.push(payload));
    for (let n = 0; n < 1_500; n++) await bus.schedule('again', n, { after: 2_000 - n, key: 'same' });
    await clock.advance(500);
    expect(heard).to.deep.equal([]);
    await clock.advance(1);
    await bus.settled();
    expect(heard).to.deep.equal([1_499]);
    await bus.close();
  });
});
