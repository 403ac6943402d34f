import { expect } from 'chai';
import { Subject } from 'rxjs';
import { createBus, type StoredEvent } from '../../lib/index.ts';
import { createVirtualClock } from '../../lib/testing.ts';
import { refusalOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { createLived, noting, takeSteps } from './lived.ts';

const failingKey = ({ time }: { time: number }): string => {
  if (time === 1) throw new Error('no key');
  return 'k';
};

// All of them lie on one page.
const busyFor100us = (): void => {
  for (const end = performance.now() + 0.1; performance.now() < end;);
};

describe('bus.replay', () => {
  it('begins on the next tick', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1]);
    const { seen, into } = noting();
    const replay = bus.replay({ into });
    await Promise.resolve();
    expect(seen).to.deep.equal([]);
    await replay.finished;
    expect(seen).to.deep.equal([1]);
  });

  it('tells what was emitted before it, stored or still on its way', async () => {
    const { bus } = await createLived();
    const { seen, into } = noting();
    bus.emit('step.taken', { n: 7 });
    const { delivered, tookMs, cancelled } = await bus.replay({ into }).finished;
    expect({ seen, delivered, tookMs, cancelled }).to.deep.equal({
      seen: [7],
      delivered: 1,
      tookMs: 0,
      cancelled: false,
    });
  });

  for (const to of [undefined, 'latest', { ago: 0 }] as const)
    it(`tells nothing that was emitted behind the call, to ${JSON.stringify(to) ?? 'the end'}`, async () => {
      for (const before of [0, 5]) {
        const { bus } = await createLived();
        await takeSteps(bus, [1, 2]);
        for (let n = 0; n < before; n++) bus.emit('step.taken', { n: 10 + n });
        const { seen, into } = noting();
        const { finished } = bus.replay({ into, ...(to !== undefined && { to }) });
        for (let n = 0; n < 5; n++) bus.emit('step.taken', { n: 20 + n });
        expect(await finished).to.include({ delivered: 2 + before });
        expect(seen).to.deep.equal([1, 2, 10, 11, 12, 13, 14].slice(0, 2 + before));
        expect(await bus.count()).to.equal(7 + before);
      }
    });

  it('ends at the call also where some of what was written before is a duplicate or refused', async () => {
    const { bus } = await createLived();
    await bus.publish('step.taken', { n: 1 }, { id: 'one' });
    await bus.publish('step.taken', { n: 2 });
    const publishes = [
      bus.publish('step.taken', { n: 3 }),
      bus.publish('step.taken', { n: 1 }, { id: 'one' }),
      bus.publish('step.taken', { n: 9 }, { id: 'one' }).catch(() => undefined),
    ];
    const { seen, into } = noting();
    const { finished } = bus.replay({ into, from: 'latest' });
    bus.emit('step.taken', { n: 4 });
    await Promise.all([finished, ...publishes]);
    expect(seen).to.deep.equal([3]);
  });

  for (const [order, direction, expected] of [
    [undefined, undefined, [1, 2, 3, 4]],
    ['position', 'backward', [4, 3, 2, 1]],
    ['time', 'forward', [2, 4, 1, 3]],
    ['time', 'backward', [3, 1, 4, 2]],
  ] as const)
    it(`tells in the order of ${order ?? 'position'}, ${direction ?? 'forward'}`, async () => {
      const { bus } = await createLived();
      await takeSteps(bus, [300, 100, 400, 200]);
      const { seen, into } = noting();
      await bus.replay({ into, ...(order && { order }), ...(direction && { direction }) }).finished;
      expect(seen).to.deep.equal(expected);
    });

  it('selects by pattern, filter, entity, correlation and places', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3], { entity: 'dog/1' });
    await takeSteps(bus, [4, 5], { entity: 'dog/2', correlationId: 'walk' });
    await bus.publish('ball.thrown', { n: 9 });
    const seenBy = async (selection: object): Promise<readonly number[]> => {
      const { seen, into } = noting();
      await bus.replay({ ...selection, into }).finished;
      return seen;
    };
    expect(await seenBy({ pattern: 'ball.*' })).to.deep.equal([9]);
    expect(await seenBy({ where: { 'payload.n': { $gte: 3 } } })).to.deep.equal([3, 9]);
    expect(await seenBy({ entity: 'dog/2' })).to.deep.equal([1, 2]);
    expect(await seenBy({ correlationId: 'walk' })).to.deep.equal([1, 2]);
    expect(await seenBy({ from: 2, to: 4 })).to.deep.equal([2, 3, 1]);
    expect(await seenBy({ after: { position: 5 } })).to.deep.equal([9]);
    expect(await seenBy({ from: new Date(2), to: new Date(4) })).to.deep.equal([2, 3, 1]);
  });

  it('leaves the events of the bus itself out unless they are named', async () => {
    const { bus } = await createLived();
    expect(refusalOf(() => bus.emit('step.taken', { n: Infinity })).code).to.equal('PAYLOAD_BAD_NUMBER');
    await bus.flush();
    const types: string[] = [];
    const into = ({ type }: StoredEvent): void => void types.push(type);
    const all = await bus.replay({ into }).finished;
    expect([types, all.delivered]).to.deep.equal([[], 0]);
    await bus.replay({ into, pattern: '$dead-letter.**' }).finished;
    expect(types).to.deep.equal(['$dead-letter.opened']);
  });

  it('tells payloads in their current version, and filters look at them as they are stored', async () => {
    const { bus } = await createLived();
    await bus.publish('step.taken', { count: 3 });
    bus.schemas.register('step.taken', 2, undefined, {
      upcast: (payload) => ({ n: (payload as { count: number }).count }),
    });
    const { seen, into } = noting();
    await bus.replay({ into, where: { 'payload.count': 3 } }).finished;
    expect(seen).to.deep.equal([3]);
  });

  it('counts a handler that fails, says where, and goes on', async () => {
    const { bus, log } = await createLived();
    await takeSteps(bus, [1, 2, 3]);
    const result = await bus.replay({
      into: ({ payload }: StoredEvent) => {
        if ((payload as { n: number }).n === 2)
          throw Object.assign(new RangeError('two is too many'), { code: 'E_TWO' });
      },
    }).finished;
    expect(result).to.include({ delivered: 2, failed: 1, skipped: 0 });
    const [failure] = result.failures;
    expect(failure).to.include({ position: 2, type: 'step.taken', attempts: 1 });
    expect(failure!.error).to.deep.equal({ name: 'RangeError', message: 'two is too many', code: 'E_TWO' });
    expect((await log()).length, 'no letter').to.equal(3);
  });

  it('tries again as the options say', async () => {
    const { bus, clock } = await createLived();
    await takeSteps(bus, [1]);
    const attempts: number[] = [];
    const { finished } = bus.replay({
      retry: { attempts: 3, delay: 50 },
      into: (_event, context) => {
        attempts.push(context.attempt);
        throw new Error('never');
      },
    });
    await turnsUntil(() => attempts.length === 1);
    await clock.advance(1_000);
    expect((await finished).failures[0]!.attempts).to.equal(3);
    expect(attempts).to.deep.equal([1, 2, 3]);
  });

  it('waits for an asynchronous handler before it tells the next', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3]);
    const log: string[] = [];
    await bus.replay({
      into: async ({ position }) => {
        log.push(`begin ${position}`);
        await turn();
        log.push(`end ${position}`);
      },
    }).finished;
    expect(log).to.deep.equal(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
  });

  it('runs so many handlers at once, and reads no further than they are', async () => {
    const { bus } = await createLived();
    await takeSteps(
      bus,
      Array.from({ length: 20 }, (_, i) => i),
    );
    const gate = createGate();
    let begun = 0;
    const { finished } = bus.replay({
      concurrency: 3,
      into: () => {
        begun++;
        return gate.promise;
      },
    });
    for (let i = 0; i < 20; i++) await turn();
    expect(begun).to.equal(3);
    gate.open();
    expect((await finished).delivered).to.equal(20);
  });

  it('keeps the order within a key while other keys go on', async () => {
    const { bus } = await createLived();
    for (const [n, key] of ['a', 'a', 'b', 'b'].entries()) await bus.publish('step.taken', { n, key });
    const gate = createGate();
    const ended: number[] = [];
    const { finished } = bus.replay({
      key: 'payload.key',
      into: async ({ payload }) => {
        const { n } = payload as { n: number };
        if (n === 0) await gate.promise;
        ended.push(n);
      },
    });
    await turnsUntil(() => ended.length === 2);
    expect(ended).to.deep.equal([2, 3]);
    gate.open();
    await finished;
    expect(ended).to.deep.equal([2, 3, 0, 1]);
  });

  it('counts an event whose key cannot be told as failed', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2]);
    expect(await bus.replay({ key: failingKey, into: () => undefined }).finished).to.include({
      delivered: 1,
      failed: 1,
    });
  });

  it('tells handlers by pattern; what none hears is skipped', async () => {
    const { bus } = await createLived();
    await bus.publish('a.one', {});
    await bus.publish('a.two', {});
    await bus.publish('b.one', {});
    const heard: string[] = [];
    const noted =
      (who: string) =>
      ({ type }: StoredEvent) =>
        void heard.push(`${who} ${type}`);
    const result = await bus.replay({ into: { 'a.*': noted('a'), '*.two': noted('two') } }).finished;
    expect(heard).to.deep.equal(['a a.one', 'a a.two', 'two a.two']);
    expect(result).to.include({ delivered: 3, skipped: 1, failed: 0 });
  });

  it('tells an observer, whose failures are counted, and completes it', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3]);
    const seen: unknown[] = [];
    const result = await bus.replay({
      into: {
        next: ({ payload }) => {
          seen.push(payload);
          if (seen.length === 2) throw new Error('no');
        },
        complete: () => void seen.push('complete'),
      },
    }).finished;
    expect(seen).to.deep.equal([{ n: 1 }, { n: 2 }, { n: 3 }, 'complete']);
    expect(result).to.include({ delivered: 2, failed: 1 });
  });

  it('tells an RxJS Subject', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2]);
    const subject = new Subject<StoredEvent>();
    const seen: unknown[] = [];
    subject.subscribe({ next: ({ position }) => seen.push(position), complete: () => seen.push('complete') });
    await bus.replay({ into: subject }).finished;
    expect(seen).to.deep.equal([1, 2, 'complete']);
  });

  it('lets the event loop go on while synchronous handlers run', async () => {
    const { bus } = await createLived();
    const batch = bus.batch();
    for (let n = 0; n < 900; n++) batch.add('step.taken', { n });
    await batch.commit();
    let turns = 0;
    const count = (): void => {
      turns++;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    const { delivered } = await bus.replay({ into: busyFor100us }).finished;
    clearImmediate(immediate);
    expect(delivered).to.equal(900);
    expect(turns).to.be.at.least(5);
  });

  it('needs a store, and an open bus', async () => {
    const bus = await createBus({ clock: createVirtualClock() });
    expect(refusalOf(() => bus.replay({ into: () => undefined })).code).to.equal('STORE_REQUIRED');
    await bus.close();
    expect(refusalOf(() => bus.replay({ into: () => undefined })).code).to.equal('BUS_CLOSED');
  });

  it('rejects where the store cannot be read, says so, and tells the observer', async () => {
    const { bus, store } = await createLived();
    await takeSteps(bus, [1]);
    const said: unknown[] = [];
    bus.on('$bus.replay.failed', ({ payload }) => void said.push(payload));
    const replay = bus.replay({ into: () => undefined });
    await store.close();
    expect((await rejectionOf(replay.finished)).code).to.equal('STORE_CLOSED');
    await turn();
    expect(said[0]).to.include({ replay: replay.id, code: 'STORE_CLOSED' });
  });
});
