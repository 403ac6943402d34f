import { expect } from 'chai';
import type { TelltaleEvent } from '../../lib/index.ts';
import { expectBalanced } from '../support/balance.ts';
import { rest, startTeam, type Team } from './team.ts';

const byId = (a: TelltaleEvent, b: TelltaleEvent): number => (a.id < b.id ? -1 : 1);

describe('a link, events to workers', () => {
  let team: Team;
  afterEach(() => team.close());

  it('hands each event to one of the workers that listen, all of it as it was emitted', async () => {
    const heard: { place: number; event: TelltaleEvent; position: number | undefined }[] = [];
    team = await startTeam(
      (bus, place) => bus.on('a.*', (event, { position }) => void heard.push({ place, event, position })),
      { size: 3 },
    );
    await team.pool.ready;
    const about = { entity: 'thing/1', metadata: { userId: 'ada', tags: ['x'] }, time: 1_234.5 };
    const sent: TelltaleEvent[] = [await team.bus.publish('a.b', { n: 0 }, about).then(({ event }) => event)];
    for (let n = 1; n < 9; n++) sent.push(team.bus.emit('a.b', { n }));
    team.bus.emit('b', 1);
    await team.bus.settled();
    expect(heard.map(({ event }) => event).toSorted(byId)).to.deep.equal(sent.toSorted(byId));
    expect(new Set(heard.map(({ place }) => place)).size).to.equal(3);
    expect(team.pool.workers().map(({ handled }) => handled)).to.deep.equal([3, 3, 3]);
  });

  it('hands each event to every worker where the pool says so', async () => {
    const heard: string[] = [];
    team = await startTeam(
      (bus, place) => bus.on('a', ({ payload }) => void heard.push(`${place} ${String(payload)}`)),
      {
        size: 2,
        deliver: 'every',
      },
    );
    await team.pool.ready;
    team.bus.emit('a', 1);
    team.bus.emit('a', 2);
    await team.bus.settled();
    expect(heard.toSorted()).to.deep.equal(['0 1', '0 2', '1 1', '1 2']);
  });

  it('lets `once`, `observe` and `iterate` of each worker see every event', async () => {
    const heard: string[] = [];
    team = await startTeam(
      (bus, place) => {
        void bus.once('a').then(({ payload }) => heard.push(`${place} once ${String(payload)}`));
        bus.observe('a').subscribe(({ payload }) => heard.push(`${place} observe ${String(payload)}`));
        const events = bus.iterate('a');
        void (async () => {
          for await (const { payload } of events) heard.push(`${place} iterate ${String(payload)}`);
        })();
      },
      { size: 2 },
    );
    await team.pool.ready;
    team.bus.emit('a', 1);
    await team.bus.settled();
    await rest();
    const all = ['iterate', 'observe', 'once'];
    expect(heard.toSorted()).to.deep.equal([0, 1].flatMap((place) => all.map((how) => `${place} ${how} 1`)));
  });

  it('filters at the source', async () => {
    const heard: unknown[] = [];
    team = await startTeam((bus) =>
      bus.on('a', ({ payload }) => void heard.push(payload), { where: { payload: { $gt: 2 } } }),
    );
    await team.pool.ready;
    const before = team.end().posted;
    for (let n = 0; n < 5; n++) team.bus.emit('a', n);
    await team.bus.settled();
    expect(heard).to.deep.equal([3, 4]);
    expect(team.pool.workers()[0]!.handled).to.equal(2);
    expect(team.end().posted - before).to.be.at.most(2);
  });

  it('has no more on the way than there are credits; the rest waits in the mailbox, bounded, and the books balance', async () => {
    const open: (() => void)[] = [];
    team = await startTeam(
      (bus) =>
        bus.on('a', () => new Promise<void>((resolve) => open.push(resolve)), {
          concurrency: 100,
          mailbox: { max: 5 },
        }),
      { credits: 3 },
    );
    await team.pool.ready;
    for (let n = 0; n < 20; n++) team.bus.emit('a', n);
    await rest();
    expect(open).to.have.length(3);
    expect(team.pool.workers()[0]!.inFlight).to.equal(3);
    const [figures] = team.bus.metrics().subscriptions;
    // As much again as is on the way waits for the next credits.
    expect(figures).to.deep.include({ pattern: 'a', routed: 20, running: 6, queued: 5, dropped: 9 });
    expectBalanced(figures!);
    for (let done = 0; done < 11; done++) {
      open[done]!();
      await rest();
      expect(team.pool.workers()[0]!.inFlight).to.be.at.most(3);
    }
    await team.bus.settled();
    expect(team.bus.metrics().subscriptions[0]).to.deep.include({ handled: 11, dropped: 9, running: 0, queued: 0 });
  });

  it('acknowledges when all handlers of the event have ended, and not before', async () => {
    const open: (() => void)[] = [];
    const pending = (): Promise<void> => new Promise((resolve) => open.push(resolve));
    team = await startTeam((bus) => {
      bus.on('a', pending);
      bus.on('a', pending);
    });
    await team.pool.ready;
    team.bus.emit('a', 1);
    await rest();
    open[0]!();
    await rest();
    expect(team.pool.workers()[0]).to.deep.include({ inFlight: 1, handled: 0 });
    open[1]!();
    await rest();
    expect(team.pool.workers()[0]).to.deep.include({ inFlight: 0, handled: 1 });
  });

  it('fails an event whose handler has failed there: name, code, cause and members arrive', async () => {
    team = await startTeam((bus) =>
      bus.on('a', () => {
        const cause = Object.assign(new RangeError('deep'), { code: 'E_DEEP' });
        throw Object.assign(new AggregateError([new TypeError('one'), new Error('two')], 'all', { cause }), {
          code: 'E_ALL',
          at: 7,
        });
      }),
    );
    await team.pool.ready;
    const failed = team.bus.once('$bus.handler.failed');
    const { id } = team.bus.emit('a', 1);
    expect((await failed).payload).to.deep.include({ eventId: id, pattern: 'a', attempts: 1 });
    await team.bus.settled();
    const [letter] = await team.bus.deadLetters.list();
    expect(letter).to.deep.include({ reason: 'handler-failed', recipient: 'a', eventId: id });
    expect(letter!.error).to.deep.include({ name: 'AggregateError', message: 'all', code: 'E_ALL' });
  });

  it('retries where the subscription says so, in the worker', async () => {
    let calls = 0;
    team = await startTeam((bus) =>
      bus.on(
        'a',
        (_, { attempt }) => {
          calls++;
          if (attempt < 3) throw new Error('not yet');
        },
        { retry: { attempts: 3, delay: 10, jitter: 0 } },
      ),
    );
    await team.pool.ready;
    team.bus.emit('a', 1);
    for (let i = 0; i < 4; i++) {
      await rest();
      await team.clock.advance(20);
    }
    await team.bus.settled();
    expect(calls).to.equal(3);
    expect(await team.bus.deadLetters.list()).to.deep.equal([]);
  });

  it('tries a dead letter again in the worker', async () => {
    let broken = true;
    const heard: unknown[] = [];
    team = await startTeam((bus) =>
      bus.on('a', ({ payload }) => {
        if (broken) throw new Error('broken');
        heard.push(payload);
      }),
    );
    team.bus.on('$bus.**', () => undefined);
    await team.pool.ready;
    team.bus.emit('a', 1);
    await team.bus.settled();
    await team.bus.flush();
    broken = false;
    expect(await team.bus.deadLetters.retry({ recipient: 'a' })).to.deep.include({ closed: 1, failed: 0 });
    expect(heard).to.deep.equal([1]);
  });

  it('keeps the order of a key, whichever worker has it', async () => {
    const heard: [number, number, number][] = [];
    team = await startTeam(
      (bus, place) =>
        bus.on(
          'a',
          async ({ payload }) => {
            const { key, n } = payload as { key: number; n: number };
            for (let turns = (key * 7 + n) % 4; turns > 0; turns--)
              await new Promise((resolve) => setImmediate(resolve));
            heard.push([key, n, place]);
          },
          { key: 'payload.key' },
        ),
      { size: 3, credits: 4 },
    );
    await team.pool.ready;
    for (let n = 0; n < 60; n++) team.bus.emit('a', { key: n % 5, n });
    await team.bus.settled();
    expect(heard).to.have.length(60);
    for (let key = 0; key < 5; key++) {
      const own = heard.filter(([of]) => of === key).map(([, n]) => n);
      expect(own).to.deep.equal(own.toSorted((a, b) => a - b));
    }
    expect(new Set(heard.map(([, , place]) => place)).size).to.be.above(1);
  });

  it('freezes what several handlers of a worker see', async () => {
    const seen: boolean[] = [];
    team = await startTeam((bus) => {
      bus.on('a', (event) => void seen.push(Object.isFrozen(event.payload)));
      bus.on('a', (event) => void seen.push(Object.isFrozen(event)));
    });
    await team.pool.ready;
    team.bus.emit('a', { list: [1] });
    await team.bus.settled();
    expect(seen).to.deep.equal([true, true]);
  });

  it('hears nothing any more after the undo, and what was on its way goes to another worker', async () => {
    const heard: string[] = [];
    const open: (() => void)[] = [];
    const undos: (() => void)[] = [];
    team = await startTeam(
      (bus, place) =>
        undos.push(
          bus.on('a', ({ payload }) => {
            heard.push(`${place} ${String(payload)}`);
            return new Promise<void>((resolve) => open.push(resolve));
          }),
        ),
      { size: 2, credits: 4 },
    );
    await team.pool.ready;
    for (let n = 0; n < 4; n++) team.bus.emit('a', n);
    await rest();
    expect(heard).to.have.length(2);
    undos[0]!();
    for (let i = 0; i < 6; i++) {
      while (open.length > 0) open.shift()!();
      await rest();
    }
    await team.bus.settled();
    expect(heard.map((text) => text.split(' ')[1]!).toSorted()).to.deep.equal(['0', '1', '2', '3']);
    undos[1]!();
    await rest();
    expect(team.bus.metrics().subscriptions.filter(({ pattern }) => pattern === 'a')).to.deep.equal([]);
  });
});
