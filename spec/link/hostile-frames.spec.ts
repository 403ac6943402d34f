import { expect } from 'chai';
import { rejectionOf } from '../support/rejection-of.ts';
import { rest, startTeam, type Team } from './team.ts';

describe('a frame of a link that holds what it cannot hold', () => {
  let team: Team;
  afterEach(() => team.close());

  it('as hello has the worker refused, which is told why', async () => {
    const hellos: [unknown[], RegExp][] = [
      [['hello'], /a `hello` to be an object, got undefined/],
      [['hello', null], /a `hello` to be an object, got null/],
      [['hello', { protocol: 99, types: [] }], /the protocol of a worker to be 1, got 99/],
      [['hello', { protocol: 1 }], /`types` of a `hello` to be a list, got undefined/],
      [['hello', { protocol: 1, types: [null] }], /a type of a `hello` to be .*, got null/],
    ];
    for (const [hello, text] of hellos) {
      team = await startTeam(() => undefined, {
        prepare: (_, worker) => (worker.tamper = () => [JSON.stringify([hello])]),
      });
      const error = await rejectionOf(team.pool.ready);
      expect(error.code, JSON.stringify(hello)).to.equal('LINK_BROKEN');
      expect(error.message).to.match(text);
      await team.close();
    }
  });

  it('ends the link, and nothing of it gets in', async () => {
    const good = {
      id: 'x',
      type: 'b',
      source: 's',
      time: 1,
      correlationId: 'c',
      schemaVersion: 1,
      payload: null,
      metadata: {},
    };
    const append = (about: object): unknown[] => ['append', 9, [{ ...good, ...about }], [9], { fresh: true }];
    for (const message of [
      ['done', 1, 1_000_000_000],
      ['done', 1, 1],
      ['done', 1],
      ['done', 0, -1],
      ['append', 9, [], [], { fresh: true }],
      ['append', 9, [null], [9], { fresh: true }],
      ['append', 9, [{}], [9], { fresh: true }],
      ['append', 9, [good], [9], null],
      ['append', '9', [good], [9], { fresh: true }],
      ['append', 9, [good], 9, { fresh: true }],
      ['append', 9, [good], [], { fresh: true }],
      ['append', 9, [good], [-9], { fresh: true }],
      append({ type: '..bad' }),
      append({ type: '$bus.evil' }),
      append({ type: '$worker.died' }),
      append({ id: 7 }),
      append({ source: null }),
      append({ time: 'now' }),
      append({ correlationId: undefined }),
      append({ causationId: 3 }),
      append({ entity: 'none' }),
      append({ schemaVersion: 0 }),
      append({ metadata: null }),
      append({ payload: undefined }),
      ['tell', null],
      ['tell', {}, 9],
      ['tell', good],
      ['tell', good, Number.NaN],
      ['tell', { ...good, type: '$retention.swept' }, 9],
      ['tell', { ...good, type: '$evil' }, 9],
      ['ask', 1, {}, { path: [], streams: false, everybody: false, remainingMs: 100 }, 1, 9],
      ['ask', 1, good, { path: [], streams: false, everybody: false, remainingMs: 100 }, 1],
    ]) {
      const frame = JSON.stringify([message]);
      team = await startTeam(() => undefined);
      await team.pool.ready;
      const heard: unknown[] = [];
      team.bus.on('**', ({ type }) => void heard.push(type));
      team.end().other.tamper = () => [frame];
      team.worker().emit('other', 1);
      await rest();
      const [figures] = team.pool.workers();
      expect(figures!.status, frame).to.equal('restarting');
      expect(figures!.lastError, frame).to.match(new RegExp(`\`${String(message[0])}\``));
      expect(heard, frame).to.deep.equal([]);
      expect(await team.bus.count(), frame).to.equal(0);
      await team.close();
    }
  });

  it('is none of those in which the parts of a worker’s bus store what is theirs', async () => {
    team = await startTeam((bus) =>
      bus.on('a', async (event, { effect, schedule }) => {
        await effect('once', () => event.payload);
        await schedule('later', 1, { after: '1h' });
      }),
    );
    await team.pool.ready;
    await team.bus.publish('a', 1);
    await team.bus.settled();
    expect(team.pool.workers()[0]).to.deep.include({ status: 'ready', failed: 0 });
    expect(await team.bus.count({ type: '$effect.done' })).to.equal(1);
  });
});
