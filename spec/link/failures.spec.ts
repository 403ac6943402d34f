import { expect } from 'chai';
import { z } from 'zod';
import { TelltaleError, defineEvents, transient, type Bus, type TelltaleEvent } from '../../lib/index.ts';
import { decode, encode } from '../../lib/link/packing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import type { MemoryEnd } from './memory-transport.ts';
import { rest, startTeam, type Team, type TeamOptions } from './team.ts';

describe('a link, when something goes wrong', () => {
  let team: Team;
  afterEach(() => team.close());

  /** A worker that handles nothing until it is told to. */
  async function startHolding(options: TeamOptions = {}): Promise<{ heard: string[]; open: (() => void)[] }> {
    const heard: string[] = [];
    const open: (() => void)[] = [];
    const script = (bus: Bus, place: number): unknown =>
      bus.on(
        'a',
        ({ payload }) => {
          heard.push(`${place} ${String(payload)}`);
          return new Promise<void>((resolve) => open.push(resolve));
        },
        { concurrency: 100 },
      );
    team = await startTeam(script, options);
    await team.pool.ready;
    return { heard, open };
  }

  const restart = async (): Promise<void> => {
    await rest();
    await team.clock.advance(10_000);
    await rest();
  };

  it('gives a worker’s successor what it had in its hands, one by one, then the rest', async () => {
    const { heard, open } = await startHolding();
    const said: unknown[] = [];
    team.bus.on('$worker.**', ({ type }) => void said.push(type));
    for (let n = 0; n < 3; n++) team.bus.emit('a', n);
    await rest();
    team.kill();
    team.bus.emit('a', 3);
    expect(team.pool.workers()[0]).to.deep.include({ status: 'restarting', inFlight: 0, waiting: 3 });
    expect(team.bus.health().notices.join()).to.match(/`team` .* is started again: .*it was killed/);
    await restart();
    expect(heard.slice(3)).to.deep.equal(['0 0']);
    for (let n = 0; n < 4; n++) {
      open[3 + n]!();
      await rest();
    }
    await team.bus.settled();
    expect(heard.slice(3)).to.deep.equal(['0 0', '0 1', '0 2', '0 3']);
    expect(said).to.deep.equal(['$worker.died', '$worker.restarted', '$worker.ready']);
    expect(team.pool.workers()[0]).to.deep.include({ status: 'ready', restarts: 1, handled: 4 });
    expect(team.bus.health().notices).to.deep.equal([]);
  });

  it('makes a dead letter of the event that two workers died of, and of no other', async () => {
    const handled: unknown[] = [];
    let isDeadly = true;
    team = await startTeam((bus) =>
      bus.on('a', ({ payload }) => {
        if (payload === 'deadly' && isDeadly) return team.kill();
        handled.push(payload);
      }),
    );
    team.bus.on('$bus.**', () => undefined);
    await team.pool.ready;
    for (const payload of [1, 2, 'deadly', 3, 4]) team.bus.emit('a', payload);
    await restart();
    await restart();
    await team.bus.settled();
    expect(new Set(handled)).to.deep.equal(new Set([1, 2, 3, 4]));
    const letters = await team.bus.deadLetters.list();
    expect(letters).to.have.length(1);
    expect(letters[0]!.error).to.deep.include({ code: 'WORKER_FAILED' });
    expect(letters[0]!.error.message).to.match(
      /`a` \S+ was in the hands of 2 workers that died, the last time: .*killed/,
    );
    isDeadly = false;
    await team.bus.deadLetters.retry({});
    expect(handled).to.include('deadly');
  });

  it('goes on with the other workers while one is being started again', async () => {
    const { heard, open } = await startHolding({ size: 2 });
    team.kill(0);
    for (let n = 0; n < 4; n++) team.bus.emit('a', n);
    await rest();
    expect(heard).to.deep.equal(['1 0', '1 1', '1 2', '1 3']);
    for (const done of open) done();
    await team.bus.settled();
  });

  it('hands what a worker had that is not started again to another one', async () => {
    const { heard, open } = await startHolding({ size: 2, restart: false });
    for (let n = 0; n < 4; n++) team.bus.emit('a', n);
    await rest();
    team.kill(0);
    for (let i = 0; i < 8; i++) {
      for (const done of open.splice(0)) done();
      await rest();
    }
    await team.bus.settled();
    expect(new Set(heard.filter((text) => text.startsWith('1')))).to.deep.equal(new Set(['1 0', '1 1', '1 2', '1 3']));
    expect(team.bus.health().notices.join()).to.contain('worker `team-1` of pool `team` is given up');
  });

  it('keeps the order of a key across a death', async () => {
    const heard: number[][] = [[], []];
    let lives = 0;
    team = await startTeam(
      (bus, place) =>
        bus.on(
          'a',
          async ({ payload }) => {
            const { key, n } = payload as { key: number; n: number };
            await new Promise((resolve) => setImmediate(resolve));
            if (n === 7 && lives++ === 0) team.kill(place);
            heard[key]!.push(n);
          },
          { key: 'payload.key' },
        ),
      { size: 2, credits: 8 },
    );
    await team.pool.ready;
    for (let n = 0; n < 20; n++) team.bus.emit('a', { key: n % 2, n });
    await restart();
    await team.bus.settled();
    for (const [key, own] of heard.entries()) {
      // What was in hand comes again: nothing before something that had not come before it.
      const firsts = [...new Set(own)];
      expect(firsts, `key ${key}`).to.deep.equal(firsts.toSorted((a, b) => a - b));
      expect(firsts).to.have.length(10);
    }
  });

  it('gives up a worker that dies too often: health says so, and what comes is a dead letter', async () => {
    team = await startTeam((bus) => bus.on('a', () => team.kill()), {
      restart: { limit: 3, within: '60s', delay: 10 },
    });
    team.bus.on('$bus.**', () => undefined);
    const failed = team.bus.once('$worker.failed');
    await team.pool.ready;
    for (let n = 0; n < 20; n++) {
      team.bus.emit('a', n);
      await rest();
      await team.clock.advance(100);
    }
    await team.bus.settled();
    expect((await failed).payload).to.deep.include({ pool: 'team', worker: 'team' });
    expect(team.starts()).to.equal(4);
    expect(team.pool.workers()[0]).to.deep.include({ status: 'failed' });
    expect(team.bus.health().notices.join()).to.contain('is given up');
    expect(team.bus.health().status).to.equal('degraded');
    expect((await team.bus.deadLetters.list({ limit: 100 })).length).to.equal(20);
  });

  it('forgets old deaths', async () => {
    await startHolding({ restart: { limit: 2, within: '10s', delay: 10 } });
    for (let n = 0; n < 6; n++) {
      team.kill();
      await restart();
    }
    expect(team.pool.workers()[0]).to.deep.include({ status: 'ready', restarts: 6 });
  });

  it('fails what comes for listeners that have not come back', async () => {
    team = await startTeam((bus) =>
      team === undefined || team.starts() === 1 ? bus.on('a', () => new Promise(() => undefined)) : undefined,
    );
    team.bus.on('$bus.**', () => undefined);
    await team.pool.ready;
    team.bus.emit('a', 1);
    await rest();
    team.kill();
    await restart();
    await team.clock.advance(60_000);
    await team.bus.settled();
    expect((await team.bus.deadLetters.list())[0]!.error.message).to.equal('worker `team` listens to it no more');
  });

  it('ends a worker that does not respond', async () => {
    const { heard } = await startHolding({ unresponsive: '4s' });
    team.bus.emit('a', 1);
    await rest();
    await team.clock.advance(10_000);
    expect(team.pool.workers()[0], 'one that does stays').to.deep.include({ restarts: 0, status: 'ready' });
    team.end().other.tamper = () => [];
    for (let i = 0; i < 10; i++) {
      await team.clock.advance(1_000);
      await rest();
    }
    expect(team.pool.workers()[0]!.lastError).to.match(/did not respond for \d+ ms/);
    expect(team.pool.workers()[0]).to.deep.include({ restarts: 1 });
    expect(heard).to.deep.equal(['0 1', '0 1']);
  });

  it('says which script could not start, and why, after a few attempts', async () => {
    let attempts = 0;
    team = await startTeam(() => {
      attempts++;
      throw new Error('no such model');
    });
    const ready = rejectionOf(team.pool.ready);
    for (let i = 0; i < 10; i++) await restart();
    const error = await ready;
    expect(error.code).to.equal('WORKER_FAILED');
    expect(error.message).to.match(/worker `team` of the script .*no such model/);
    expect(error.cause).to.be.instanceOf(Error);
    expect(attempts).to.equal(3);
  });

  it('ends a worker that does not connect in time', async () => {
    team = await startTeam(() => undefined, {
      startTimeout: '2s',
      restart: false,
      prepare: (_, worker) => (worker.tamper = () => []),
    });
    const ready = rejectionOf(team.pool.ready);
    await team.clock.advance(2_000);
    expect((await ready).message).to.contain('was not ready within 2000 ms');
  });

  it('ends the link, and nothing else, where something arrives that is no frame', async () => {
    for (const strange of [
      42,
      { hello: 1 },
      'not json',
      '{"a":1}',
      '[1]',
      '["constructor"]',
      '["event",1,2,3]',
      '["hear",null]',
    ]) {
      await startHolding();
      team.end().other.tamper = (frame) => [strange, frame];
      team.worker().emit('b', 1);
      await rest();
      const [figures] = team.pool.workers();
      expect(figures!.lastError, JSON.stringify(strange)).to.match(
        /no frame of a telltale link|does not send|could not be understood/,
      );
      expect(figures!.status).to.equal('restarting');
      team.bus.emit('a', 1);
      await team.close();
    }
  });

  it('refuses a worker that declares a type otherwise, and starts it no more', async () => {
    const number = { 'a.b': z.object({ n: z.number() }) };
    const declared = (events: object): ReturnType<typeof startTeam> =>
      startTeam(() => undefined, {
        bus: { events: defineEvents({ ...number, c: transient() }) },
        worker: { events: defineEvents(events as never) },
      });
    const cases: [object, string][] = [
      [
        { 'a.b': { version: 2, schema: z.object({ n: z.number() }), upcast: { 1: (x: unknown) => x } } },
        'version 2 there, version 1 here',
      ],
      [{ 'a.b': z.object({ n: z.string() }) }, 'version 1 has another schema there than version 1 here'],
      [{ c: z.string() }, 'stored there, transient here, both version 1'],
    ];
    for (const [events, text] of cases) {
      team = await declared(events);
      const error = await rejectionOf(team.pool.ready);
      expect(error.code).to.equal('SCHEMA_CONFLICT');
      expect(error.message)
        .to.contain(text)
        .and.to.match(/type `(a\.b|c)` is not the same in worker `team`/);
      await team.clock.advance(10_000);
      expect(team.starts()).to.equal(1);
      await team.close();
    }
    team = await declared({ ...number, other: z.string() });
    await team.pool.ready;
  });

  it('says in the worker that the parent is gone', async () => {
    await startHolding();
    const worker = team.worker();
    team.end().other.lose('the parent was killed');
    const error = await rejectionOf(worker.publish('b', 1));
    expect(error.code).to.equal('STORE_FAILED');
    expect(error.message).to.contain('the parent was killed');
    expect(await rejectionOf(worker.count())).to.be.instanceOf(TelltaleError);
    await rejectionOf(worker.close());
  });

  it('loses nothing that was acknowledged to the worker, wherever it is killed', async () => {
    for (let after = 0; after < 12; after++) {
      const acknowledged: string[] = [];
      team = await startTeam(async (bus) => {
        if (team !== undefined && team.starts() > 1) return;
        for (let n = 0; n < 30; n++)
          void bus.publish('b', n).then(
            ({ event }) => acknowledged.push(event.id),
            () => undefined,
          );
      });
      let frames = 0;
      team.end().other.tamper = (frame) => (frames++ < after ? [frame] : []);
      for (let turns = 0; turns < after; turns++) await new Promise((resolve) => setImmediate(resolve));
      team.kill();
      await rest();
      const stored = (await team.bus.query({ where: { type: 'b' } })).events.map(({ id }) => id);
      expect(stored).to.include.members(acknowledged);
      await team.close();
    }
  });

  describe('controls', () => {
    it('loses nothing', async () => {
      expect(await lostEvents({})).to.equal(0);
    });

    it('would be seen to lose events if it acknowledged before handling', async () => {
      expect(await lostEvents({ prepare: acknowledgeEarly })).to.be.above(0);
    });
  });

  /** How many of 50 events nobody has dealt with, dead letters apart, where a worker dies of the twentieth. */
  async function lostEvents(options: TeamOptions): Promise<number> {
    const handled = new Set<unknown>();
    let calls = 0;
    team = await startTeam((bus) => {
      bus.on('a', async ({ payload }: TelltaleEvent) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (++calls === 20) return team.kill();
        handled.add(payload);
      });
    }, options);
    team.bus.on('$bus.**', () => undefined);
    await team.pool.ready;
    for (let n = 0; n < 50; n++) team.bus.emit('a', n);
    for (let i = 0; i < 20; i++) await restart();
    await team.bus.settled();
    return 50 - handled.size - (await team.bus.deadLetters.list({ limit: 100 })).length;
  }
});

/** What a link must not do. */
function acknowledgeEarly(_: MemoryEnd, worker: MemoryEnd): void {
  worker.other.tamper = (frame) => {
    const messages = decode(frame);
    for (let message = messages.next(); message; message = messages.next())
      if (message[0] === 'event') worker.post(encode([['done', message[1], 1]]));
    return [frame];
  };
}
