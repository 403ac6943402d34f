import { expect } from 'chai';
import { rest, startTeam, type Team } from './team.ts';

const EVENTS = 60;

describe('a link, consumers in workers', () => {
  let team: Team;
  afterEach(() => team.close());

  /** Until every event was handled, or for a minute. */
  const until = async (isDone: () => boolean): Promise<void> => {
    for (let i = 0; i < 60 && !isDone(); i++) {
      await team.clock.advance(1_000);
      await rest();
    }
  };

  it('handle what is in the log and what comes, and go on from their checkpoint in the parent’s store', async () => {
    const heard: unknown[] = [];
    team = await startTeam((bus) => {
      bus.consume('reader', 'a', ({ payload }) => void heard.push(payload));
    });
    for (let n = 0; n < EVENTS; n++) team.bus.emit('a', n);
    await team.pool.ready;
    await until(() => heard.length === EVENTS);
    expect(heard).to.deep.equal(Array.from({ length: EVENTS }, (_, n) => n));
    await until(() => false);
    const [document] = await team.bus.consumers.list();
    expect(document).to.deep.include({ name: 'reader', lag: { events: 0, ms: 0 } });
    team.bus.on('$bus.**', () => undefined);
    team.kill();
    await until(() => team.starts() === 2);
    team.bus.emit('a', 'next');
    await until(() => heard.length > EVENTS);
    expect(heard.slice(EVENTS)).to.deep.equal(['next']);
  });

  it('share the keys of a group, each in order', async () => {
    const heard: { place: number; key: number; n: number }[] = [];
    team = await startTeam(
      (bus, place) =>
        void bus.consume(
          'readers',
          'a',
          ({ payload }) => void heard.push({ place, ...(payload as { key: number; n: number }) }),
          {
            group: true,
            key: 'payload.key',
          },
        ),
      { size: 2 },
    );
    await team.pool.ready;
    await until(() => false);
    for (let n = 0; n < EVENTS; n++) team.bus.emit('a', { key: n % 7, n });
    await until(() => heard.length >= EVENTS);
    expect(heard.map(({ n }) => n).toSorted((a, b) => a - b)).to.deep.equal(
      Array.from({ length: EVENTS }, (_, n) => n),
    );
    for (let key = 0; key < 7; key++) {
      const order = heard.filter((one) => one.key === key).map(({ n }) => n);
      expect(order).to.deep.equal(order.toSorted((a, b) => a - b));
    }
    expect(new Set(heard.map(({ place }) => place)).size).to.equal(2);
  });
});
