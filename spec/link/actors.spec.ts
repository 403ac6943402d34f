import { expect } from 'chai';
import type { Bus } from '../../lib/index.ts';
import { refusalOf } from '../support/code-of.ts';
import { rest, startTeam, type Team } from './team.ts';

/** An actor that adds up what it hears, and says so. */
const adder = (bus: Bus, options: object = {}): void =>
  void bus.actor('adder', {
    initial: 0,
    on: 'number.given',
    receive: (sum: number, { payload }, { emit }) => {
      const { n } = payload as { n: number };
      if (n < 0) throw new RangeError('negative');
      emit('sum.known', sum + n);
      return sum + n;
    },
    ...options,
  });

describe('a link, actors', () => {
  let team: Team;
  afterEach(() => team.close());

  it('of a worker hear what the parent and other workers emit, each event once', async () => {
    team = await startTeam((bus, place) => (place === 0 ? adder(bus) : undefined), { size: 2 });
    await team.pool.ready;
    const sums: unknown[] = [];
    team.bus.on('sum.known', ({ payload }) => void sums.push(payload));
    team.bus.emit('number.given', { n: 1 });
    await rest();
    team.worker(1).emit('number.given', { n: 10 });
    await rest();
    team.worker(0).emit('number.given', { n: 100 });
    await rest();
    expect(sums).to.deep.equal([1, 11, 111]);
  });

  it('acknowledge when they have handled an event; what they fail on is a letter of the parent', async () => {
    let go: (() => void) | undefined;
    team = await startTeam((bus) => {
      bus.on('$actor.**', () => undefined);
      adder(bus, {
        receive: async (_: number, { payload }: { payload: unknown }) => {
          await new Promise<void>((resolve) => (go = resolve));
          if (payload === 'bad') throw new RangeError('bad');
        },
      });
    });
    await team.pool.ready;
    team.bus.on('$bus.**', () => undefined);
    team.bus.emit('number.given', 'good');
    await rest();
    expect(team.pool.workers()[0]).to.deep.include({ inFlight: 1, handled: 0 });
    go?.();
    await rest();
    expect(team.pool.workers()[0]).to.deep.include({ inFlight: 0, handled: 1 });
    team.bus.emit('number.given', 'bad');
    await rest();
    // As often as the actor is given another try.
    for (let i = 0; i < 8; i++) {
      go?.();
      await rest();
      await team.clock.advance(10_000);
    }
    expect(team.pool.workers()[0]).to.deep.include({ inFlight: 0, failed: 1 });
    await team.bus.flush();
    const [letter] = await team.bus.deadLetters.list();
    expect(letter!.error).to.deep.include({ name: 'RangeError', message: 'bad' });
  });

  it('are told again what they had when their worker died', async () => {
    const heard: string[] = [];
    team = await startTeam((bus) =>
      adder(bus, {
        receive: async (_: number, { payload }: { payload: unknown }) => {
          heard.push(`${team.starts()} ${String(payload)}`);
          if (team.starts() === 1) await new Promise(() => undefined);
        },
      }),
    );
    await team.pool.ready;
    team.bus.on('$bus.**', () => undefined);
    team.bus.emit('number.given', 'x');
    await rest();
    team.kill();
    for (let i = 0; i < 4; i++) {
      await team.clock.advance(1_000);
      await rest();
    }
    expect(heard).to.deep.equal(['1 x', '2 x']);
    expect(team.pool.workers()[0]).to.deep.include({ inFlight: 0, handled: 1 });
  });

  it('that have stopped hear nothing more', async () => {
    team = await startTeam((bus) => adder(bus));
    await team.pool.ready;
    const sums: unknown[] = [];
    team.bus.on('sum.known', ({ payload }) => void sums.push(payload));
    team.bus.emit('number.given', { n: 1 });
    await rest();
    await team
      .worker()
      .actor('other', { initial: 0, on: 'number.given', receive: () => undefined })
      .stop();
    team.bus.emit('number.given', { n: 2 });
    await rest();
    expect(sums).to.deep.equal([1, 3]);
    expect(team.bus.metrics().subscriptions.filter(({ pattern }) => pattern === 'number.given')).to.have.length(1);
  });
});

describe('a link, groups with keys', () => {
  let team: Team;
  afterEach(() => team.close());

  it('refuses a function as the key of a group in a worker, which takes a path', async () => {
    team = await startTeam(() => undefined);
    await team.pool.ready;
    await rest();
    const subscribe = (key: unknown) => () => team.worker().on('a', () => undefined, { group: 'g', key } as never);
    const refusal = refusalOf(subscribe(() => 1));
    expect(refusal.code).to.equal('NOT_SUPPORTED');
    expect(refusal.message).to.match(/`key` of on\('a'\) with group `g` in a worker/);
    subscribe('payload.k')();
    team.worker().on('a', () => undefined, { key: () => 1 });
  });
});
