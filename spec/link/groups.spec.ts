import { expect } from 'chai';
import { rest, startTeam, type Team } from './team.ts';

describe('a link, groups across threads', () => {
  let team: Team;
  afterEach(() => team.close());

  it('gives each event to exactly one member, whoever emits it', async () => {
    const heard: [string, unknown][] = [];
    team = await startTeam(
      (bus, place) => bus.on('a', ({ payload }) => void heard.push([`worker ${place}`, payload]), { group: 'g' }),
      {
        size: 2,
      },
    );
    await team.pool.ready;
    team.bus.on('a', ({ payload }) => void heard.push(['parent', payload]), { group: 'g' });
    for (let n = 0; n < 30; n++) {
      if (n % 3 === 0) team.bus.emit('a', n);
      else team.worker((n % 3) - 1).emit('a', n);
      if (n % 5 === 0) await rest();
    }
    await rest();
    await team.bus.settled();
    const seen = heard.map(([, n]) => n as number).toSorted((a, b) => a - b);
    expect(seen).to.deep.equal(Array.from({ length: 30 }, (_, n) => n));
    expect(new Set(heard.map(([who]) => who)).size).to.be.at.least(2);
  });

  it('has several members in one worker where it subscribes several times', async () => {
    const heard: string[] = [];
    team = await startTeam((bus) => {
      for (const name of ['x', 'y'])
        bus.on('a', ({ payload }) => void heard.push(`${name} ${String(payload)}`), { group: 'g' });
    });
    await team.pool.ready;
    for (let n = 0; n < 10; n++) team.bus.emit('a', n);
    await team.bus.settled();
    expect(heard.map((text) => text.split(' ')[1]!).toSorted()).to.deep.equal(
      Array.from({ length: 10 }, (_, n) => `${n}`),
    );
    expect(new Set(heard.map((text) => text[0])).size).to.equal(2);
  });

  it('hands over to the others what a dead member had, where it is not started again', async () => {
    const heard: unknown[] = [];
    team = await startTeam((bus) => bus.on('a', () => new Promise(() => undefined), { group: 'g' }), {
      restart: false,
    });
    await team.pool.ready;
    team.bus.emit('a', 1);
    await rest();
    team.bus.on('a', ({ payload }) => void heard.push(payload), { group: 'g' });
    team.kill();
    await team.bus.settled();
    team.bus.emit('a', 2);
    await team.bus.settled();
    expect(heard).to.deep.equal([1, 2]);
    expect(await team.bus.deadLetters.list()).to.deep.equal([]);
  });
});
