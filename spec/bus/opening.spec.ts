import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';

describe('opening a bus', () => {
  it('refuses a store that belongs to another bus, which goes on; closing frees it', async () => {
    const store = memory();
    const first = await createBus({ source: 'first', store });
    const error = await rejectionOf(createBus({ source: 'second', store }));
    expect(error).to.include({ code: 'STORE_LOCKED' });
    expect(error.message).to.include('first');
    expect((await first.publish('a', 1)).position).to.equal(1);
    await first.close();
    const second = await createBus({ source: 'second', store });
    await second.close();
  });

  it('refuses `committed` without a store, and null for options', async () => {
    expect(await rejectionOf(createBus({ dispatch: 'committed' }))).to.include({ code: 'INVALID_OPTION' });
    expect(await rejectionOf(createBus(null as never))).to.include({ code: 'INVALID_OPTION' });
  });

  it('takes one pipeline of a name at a time', async () => {
    const { bus } = await createTestBus();
    const undo = bus.pipeline('p', 'a', (source) => source as never);
    expect(refusalOf(() => bus.pipeline('p', 'b', (source) => source as never)).message).to.include('`p`');
    undo();
    bus.pipeline('p', 'b', (source) => source as never);
    undo();
    expect(codeOf(() => bus.pipeline('p', 'c', (source) => source as never))).to.equal('INVALID_OPTION');
  });

  it('takes no subscription once the bus is closed', async () => {
    const { bus } = await createTestBus();
    await bus.close();
    expect(codeOf(() => bus.on('a', () => undefined))).to.equal('BUS_CLOSED');
  });
});
