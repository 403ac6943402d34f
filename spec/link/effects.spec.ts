import { expect } from 'chai';
import { rest, startTeam, type Team } from './team.ts';

describe('a link, effects of its workers', () => {
  let team: Team;
  afterEach(() => team.close());

  const recipients = async (): Promise<readonly string[]> => {
    await team.bus.settled();
    await rest();
    const { events } = await team.bus.query({ type: '$effect.done' });
    return events.map(({ payload }) => (payload as { recipient: string }).recipient).toSorted();
  };

  for (const deliver of ['one', 'every'] as const)
    it(`are told apart from the parent's and, where they hear the same event, from each other's (${deliver})`, async () => {
      const ran: string[] = [];
      team = await startTeam(
        (bus, place) =>
          bus.on('a', async (_, { effect }) => void (await effect('x', () => ran.push(`worker ${place}`)))),
        { size: 2, deliver },
      );
      await team.pool.ready;
      team.bus.on('a', async (_, { effect }) => void (await effect('x', () => ran.push('parent'))));
      team.bus.emit('a', null);
      const { name } = team.pool;
      const workers = deliver === 'one' ? [`${name} on:a`] : [`${name}/1 on:a`, `${name}/2 on:a`];
      expect(await recipients()).to.deep.equal([...workers, 'on:a'].toSorted());
      expect(ran).to.have.length(workers.length + 1);
    });
});
