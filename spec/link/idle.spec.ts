import { expect } from 'chai';
import { memory } from '../../lib/index.ts';
import { rest, startTeam, type Team } from './team.ts';

describe('a link, workers that have nothing to do', () => {
  let team: Team;
  afterEach(() => team.close());

  it('reads nothing of a log whose events no worker hears', async () => {
    const store = memory();
    let pages = 0;
    const page = store.page.bind(store);
    store.page = (query) => {
      pages++;
      return page(query);
    };
    team = await startTeam(() => undefined, { size: 2, bus: { store } });
    await team.pool.ready;
    await rest();
    pages = 0;
    for (let n = 0; n < 100; n++) team.bus.emit('n', n);
    await team.bus.flush();
    await rest();
    expect(pages).to.equal(0);
  });

  it('lists and cancels in a worker what the parent has scheduled, and the other way round', async () => {
    team = await startTeam(() => undefined);
    await team.pool.ready;
    await team.bus.schedule('a', 1, { after: '1h', key: 'parent' });
    const hears = team.worker().schedules.list();
    await rest();
    expect((await hears).map(({ key }) => key)).to.deep.equal(['parent']);
    const cancels = team.worker().schedules.cancel('parent');
    await rest();
    expect(await cancels).to.equal(true);
    const sets = team.worker().schedule('b', 1, { after: '1m', key: 'worker' });
    await rest();
    await sets;
    expect((await team.bus.schedules.list()).map(({ key }) => key)).to.deep.equal(['worker']);
    await team.clock.advance(60_000);
    await rest();
    expect(await team.bus.count({ where: { type: 'b' } })).to.equal(1);
  });
});
