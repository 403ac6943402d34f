import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import type { StoreHealth } from '../../lib/plugin.ts';
import { createTestBus } from '../../lib/testing.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { turn } from '../support/turn.ts';

class StoreOnDisk extends FlakyStore {
  protected override _health(): Partial<StoreHealth> {
    return {
      diskFreeBytes: 1_234,
      connections: { open: 3, idle: 2, waiting: 1 },
      notices: ['a torn tail was set aside'],
    };
  }
}

describe('bus.health', () => {
  it('of a bus without store says that nothing is kept', async () => {
    const bus = await createBus();
    const empty = { events: 0, bytes: 0 };
    expect(bus.health()).to.deep.equal({ status: 'ok', durability: 'none', backlog: empty, notices: [] });
    await bus.close();
    expect(bus.health().status).to.equal('closed');
  });

  it('names the store, its durability, what waits for it, its notices, the disk left and its connections', async () => {
    const { bus } = await createTestBus({ store: new StoreOnDisk() });
    bus.emit('a', null);
    const { backlog, ...health } = bus.health();
    expect(health).to.deep.equal({
      status: 'ok',
      store: 'memory',
      durability: 'memory',
      notices: ['a torn tail was set aside'],
      diskFreeBytes: 1_234,
      connections: { open: 3, idle: 2, waiting: 1 },
    });
    expect(backlog.events).to.equal(1);
    expect(backlog.bytes).to.be.within(100, 1_000);
  });

  it('goes from ok to degraded and back, and remembers the last error', async () => {
    const store = new FlakyStore();
    const { bus, clock } = await createTestBus({ store });
    store.faults.push({ before: new Error('busy') });
    expect(bus.health().status).to.equal('ok');
    bus.emit('a', null);
    await turn();
    expect(bus.health()).to.include({ status: 'degraded' });
    await clock.advance(60_000);
    expect(bus.health()).to.include({ status: 'ok' });
    expect(bus.health().lastError!.message).to.include('busy');
  });

  it('says closed from the moment the bus begins to close', async () => {
    const { bus } = await createTestBus();
    const closing = bus.close();
    expect(bus.health().status).to.equal('closed');
    await closing;
    expect(bus.health().status).to.equal('closed');
  });
});
