import { expect } from 'chai';
import { stub } from 'sinon';
import { copyStore } from '../../lib/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvents } from '../support/event-builder.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

describe('postgres: a copy', function () {
  this.timeout(60_000);

  before(async function () {
    await stores.begin(this);
  });

  it('ends where a removal meanwhile reaches past what it copies', async () => {
    const from = stores.create();
    await from.open();
    await from.append(buildEvents(200));
    const page = stub(from, 'page').callThrough();
    page.onFirstCall().callsFake(async (query) => {
      await from.append(buildEvents(10));
      await from.remove([{ from: 1, to: 210 }], 'spec');
      return page.wrappedMethod.call(from, query);
    });
    const to = memory();
    await to.open();
    const { position, tombstones } = await copyStore(from, to);
    expect({ position, tombstones }).to.deep.equal({ position: 200, tombstones: 200 });
    expect((await to.removed()).map((range) => [range.from, range.to])).to.deep.equal([[1, 200]]);
    await to.close();
    await from.close();
    await stores.cleanUp(from);
  });
});
