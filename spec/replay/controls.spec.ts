import { expect } from 'chai';
import type { ReplayProgress } from '../../lib/index.ts';
import { refusalOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil, warningsOf } from '../support/turns.ts';
import { createLived, noting, takeSteps, type Lived } from './lived.ts';

async function withSteps(count: number): Promise<Lived> {
  const lived = await createLived();
  await takeSteps(
    lived.bus,
    Array.from({ length: count }, (_, i) => 1_000 * i),
  );
  return lived;
}

describe('a replay under way', () => {
  it('pauses before its first event, and goes on', async () => {
    const { bus } = await withSteps(3);
    const { seen, into } = noting();
    const replay = bus.replay({ into });
    replay.pause();
    for (let i = 0; i < 5; i++) await turn();
    expect(seen).to.deep.equal([]);
    replay.resume();
    await replay.finished;
    expect(seen).to.deep.equal([1, 2, 3]);
  });

  it('pauses from within a handler, at once', async () => {
    const { bus } = await withSteps(5);
    const seen: number[] = [];
    const replay = bus.replay({
      into: ({ position }) => {
        seen.push(position);
        if (position === 2) replay.pause();
      },
    });
    await turnsUntil(() => seen.length === 2);
    for (let i = 0; i < 5; i++) await turn();
    expect(seen).to.deep.equal([1, 2]);
    replay.resume();
    await replay.finished;
    expect(seen).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('steps, whatever the speed', async () => {
    const { bus } = await withSteps(5);
    const { seen, into } = noting();
    const replay = bus.replay({ into, speed: 'original' });
    expect(await replay.step()).to.equal(1);
    expect(seen).to.deep.equal([1]);
    expect(await replay.step(3)).to.equal(3);
    expect(seen).to.deep.equal([1, 2, 3, 4]);
    expect(await replay.step(10), 'as many as there are').to.equal(1);
    expect(await replay.finished).to.include({ delivered: 5, cancelled: false });
    expect(await replay.step()).to.equal(0);
    expect(refusalOf(() => replay.step(0)).code).to.equal('INVALID_OPTION');
  });

  for (const [order, direction, place, expected] of [
    ['position', 'forward', 4, [1, 4, 5]],
    ['position', 'forward', new Date(3_000), [1, 4, 5]],
    ['position', 'forward', { ago: 0 }, [1]],
    ['position', 'backward', 2, [5, 2, 1]],
    ['position', 'backward', new Date(1_500), [5, 2, 1]],
    ['time', 'forward', 4, [1, 4, 5]],
    ['time', 'forward', new Date(3_500), [1, 5]],
    ['time', 'backward', new Date(1_000), [5, 2, 1]],
    ['position', 'forward', 'earliest', [1, 1, 2, 3, 4, 5]],
    ['time', 'backward', 'latest', [5, 5, 4, 3, 2, 1]],
  ] as const)
    it(`seeks by ${order}, ${direction}, to ${place instanceof Date ? `${place.getTime()} ms` : JSON.stringify(place)}`, async () => {
      const { bus } = await withSteps(5);
      const { seen, into } = noting();
      const replay = bus.replay({ into, order, direction });
      await replay.step();
      await replay.seek(place);
      replay.resume();
      await replay.finished;
      expect(seen).to.deep.equal(expected);
    });

  it('stays within its window when it seeks', async () => {
    const { bus } = await withSteps(6);
    const { seen, into } = noting();
    const replay = bus.replay({ into, from: 3, to: 4 });
    await replay.step();
    await replay.seek(1);
    await replay.step();
    expect(seen).to.deep.equal([3, 3]);
    await replay.seek(6);
    replay.resume();
    await replay.finished;
    expect(seen).to.deep.equal([3, 3]);
  });

  it('goes on where it was when it cannot seek', async () => {
    const { bus, store } = await withSteps(5);
    await store.remove([{ from: 2, to: 3 }], 'spec');
    const { seen, into } = noting();
    const replay = bus.replay({ into });
    await replay.step();
    expect((await rejectionOf(replay.seek(2))).code).to.equal('EVENTS_REMOVED');
    expect((await rejectionOf(replay.seek({ eventId: 'nobody' }))).code).to.equal('INVALID_PLACE');
    expect((await rejectionOf(replay.seek({ wrong: 1 } as never))).code).to.equal('INVALID_PLACE');
    replay.resume();
    await replay.finished;
    expect(seen).to.deep.equal([1, 4, 5]);
  });

  it('is cancelled, tells its handler, and waits for it', async () => {
    const { bus } = await withSteps(5);
    const gate = createGate();
    let signal: AbortSignal | undefined;
    const replay = bus.replay({
      into: (_event, context) => {
        ({ signal } = context);
        return gate.promise;
      },
    });
    await turnsUntil(() => signal !== undefined);
    replay.cancel();
    expect(signal!.aborted).to.equal(true);
    let ended = false;
    void replay.finished.then(() => (ended = true));
    for (let i = 0; i < 5; i++) await turn();
    expect(ended).to.equal(false);
    gate.open();
    expect(await replay.finished).to.include({ delivered: 1, cancelled: true });
  });

  it('drops what waits for its key when it is cancelled', async () => {
    const { bus } = await withSteps(5);
    const gate = createGate();
    let begun = 0;
    const replay = bus.replay({
      key: 'type',
      into: () => {
        begun++;
        return gate.promise;
      },
    });
    for (let i = 0; i < 5; i++) await turn();
    replay.cancel();
    await turn();
    gate.open();
    expect(await replay.finished).to.include({ delivered: 1, skipped: 4, cancelled: true });
    expect(begun).to.equal(1);
  });

  it('is cancelled by its signal, also by one that was aborted before, while it waits or pauses', async () => {
    const { bus } = await withSteps(3);
    const { seen, into } = noting();
    expect(await bus.replay({ into, signal: AbortSignal.abort() }).finished).to.include({
      delivered: 0,
      cancelled: true,
    });
    for (const speed of ['original', 'max'] as const) {
      const abort = new AbortController();
      const replay = bus.replay({ into, speed, signal: abort.signal });
      if (speed === 'max') replay.pause();
      for (let i = 0; i < 5; i++) await turn();
      abort.abort();
      expect(await replay.finished).to.include({ cancelled: true });
    }
    expect(seen).to.deep.equal([1]);
  });

  it('is cancelled when the bus closes, which waits for its handler', async () => {
    const { bus } = await withSteps(3);
    const gate = createGate();
    let begun = 0;
    const replay = bus.replay({
      into: () => {
        begun++;
        return gate.promise;
      },
    });
    await turnsUntil(() => begun === 1);
    let closed = false;
    const closing = bus.close().then(() => (closed = true));
    for (let i = 0; i < 5; i++) await turn();
    expect(closed).to.equal(false);
    gate.open();
    await closing;
    expect(await replay.finished).to.include({ delivered: 1, cancelled: true });
  });

  it('holds up no close when it is over', async () => {
    const { bus } = await withSteps(3);
    await bus.replay({ into: () => undefined }).finished;
    expect(await bus.close()).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
  });
});

describe('the progress of a replay', () => {
  it('begins with the newest, tells at most ten a second, and completes', async () => {
    const { bus, clock } = await withSteps(101);
    const replay = bus.replay({ into: () => undefined, speed: 100 });
    const early: ReplayProgress[] = [];
    let completed = 0;
    replay.progress.subscribe({ next: (progress) => early.push(progress), complete: () => completed++ });
    expect(early).to.deep.equal([{ state: 'running', done: 0, total: 0, position: 0, rate: 0, remainingMs: 0 }]);
    await turnsUntil(() => early.length > 1);
    await clock.advance(500);
    const late: ReplayProgress[] = [];
    replay.progress.subscribe((progress) => late.push(progress)).unsubscribe();
    expect(late).to.deep.equal([
      { state: 'running', done: 51, total: 101, position: 51, rate: 102, remainingMs: (50 * 1_000) / 102 },
    ]);
    await clock.advance(500);
    await replay.finished;
    expect(completed).to.equal(1);
    expect(early.length).to.be.within(10, 15);
    expect(early.at(-1)).to.include({ state: 'ended', done: 101, position: 101, remainingMs: 0 });
    replay.progress.subscribe({ next: (progress) => late.push(progress), complete: () => completed++ });
    expect([late.at(-1)!.state, completed]).to.deep.equal(['ended', 2]);
  });

  it('leaves pauses out of the rate, and says that it pauses', async () => {
    const { bus, clock } = await withSteps(10);
    const replay = bus.replay({ into: () => undefined, speed: 'original' });
    const seen: ReplayProgress[] = [];
    replay.progress.subscribe((progress) => seen.push(progress));
    await turnsUntil(() => seen.length > 1);
    await clock.advance(4_000);
    replay.pause();
    await clock.advance(60_000);
    expect(seen.at(-1)).to.include({ state: 'paused', done: 5, rate: 1.25 });
    replay.resume();
    expect(seen.at(-1)).to.include({ state: 'running', rate: 1.25 });
    replay.cancel();
    await replay.finished;
  });

  it('counts what a selection leaves out as gone through, in both directions and around holes', async () => {
    const { bus, store } = await withSteps(10);
    await store.remove([{ from: 4, to: 5 }], 'spec');
    for (const direction of ['forward', 'backward'] as const) {
      const { seen, into } = noting();
      const replay = bus.replay({ into, direction, where: { 'payload.n': { $in: [2, 7] } } });
      const told: ReplayProgress[] = [];
      await replay.step();
      replay.progress.subscribe((progress) => told.push(progress));
      expect(told[0]).to.include(direction === 'forward' ? { done: 2, total: 8 } : { done: 4, total: 8 });
      replay.resume();
      await replay.finished;
      expect(told.at(-1)).to.include({ done: 8, total: 8 });
      expect(seen.length).to.equal(2);
    }
  });

  it('counts what is told in time order', async () => {
    const { bus } = await withSteps(5);
    const replay = bus.replay({ into: () => undefined, order: 'time', from: 2 });
    await replay.step(2);
    const told: ReplayProgress[] = [];
    replay.progress.subscribe((progress) => told.push(progress));
    expect(told[0]).to.include({ done: 2, total: 4, position: 3 });
    await replay.seek(5);
    replay.resume();
    await replay.finished;
    expect(told.at(-1)).to.include({ done: 4, total: 4, position: 5 });
  });

  it('is not hurt by a subscriber that throws', async () => {
    const { bus } = await withSteps(3);
    const seen: string[] = [];
    const warnings = await warningsOf(async () => {
      const replay = bus.replay({ into: () => undefined });
      replay.progress.subscribe(() => {
        throw new Error('no');
      });
      replay.progress.subscribe(({ state }) => seen.push(state));
      await replay.finished;
    });
    expect(seen.at(-1)).to.equal('ended');
    expect(warnings.length).to.equal(1);
  });
});
