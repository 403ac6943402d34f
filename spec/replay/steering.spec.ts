import { expect } from 'chai';
import type { ReplayProgress } from '../../lib/index.ts';
import { createGate, turn, turnsUntil, type Gate } from '../support/turns.ts';
import { createLived, noting, takeSteps, type Lived } from './lived.ts';

async function withSteps(count: number, options: Parameters<typeof createLived>[0] = {}): Promise<Lived> {
  const lived = await createLived(options);
  await takeSteps(
    lived.bus,
    Array.from({ length: count }, (_, i) => 1_000 * i),
  );
  return lived;
}

/** A handler that is ended by hand, and how many of it ran at once. */
function gated() {
  const gates: Gate[] = [];
  const begun: number[] = [];
  const figures = { running: 0, most: 0 };
  const into = async ({ position }: { position: number }): Promise<void> => {
    begun.push(position);
    figures.most = Math.max(figures.most, ++figures.running);
    const gate = createGate();
    gates.push(gate);
    await gate.promise;
    figures.running--;
  };
  return { gates, begun, figures, into };
}

const someTurns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await turn();
};

describe('seeking while handlers run', () => {
  it('lets the handler that runs end before another event is told', async () => {
    const { bus } = await withSteps(5);
    const { gates, begun, figures, into } = gated();
    const replay = bus.replay({ into });
    await turnsUntil(() => begun.length === 1);
    await replay.seek(4);
    await someTurns();
    expect(begun).to.deep.equal([1]);
    gates[0]!.open();
    for (const n of [1, 2]) {
      await turnsUntil(() => gates.length > n);
      gates[n]!.open();
    }
    expect(await replay.finished).to.include({ delivered: 3 });
    expect([begun, figures.most]).to.deep.equal([[1, 4, 5], 1]);
  });

  it('lets every handler of an object end first, and skips what waits for its key', async () => {
    const { bus } = await withSteps(5);
    const { gates, begun, figures, into } = gated();
    let quick = 0;
    const replay = bus.replay({ into: { 'step.*': into, '*.taken': () => void quick++ }, key: 'type' });
    await turnsUntil(() => begun.length === 1 && quick === 5);
    await replay.seek(5);
    await someTurns();
    gates[0]!.open();
    await turnsUntil(() => gates.length === 2);
    gates[1]!.open();
    expect(await replay.finished).to.include({ delivered: 8, skipped: 4 });
    expect([begun, figures.most]).to.deep.equal([[1, 5], 1]);
  });

  it('can be cancelled, and moved once more, while it waits', async () => {
    const { bus } = await withSteps(5);
    const { gates, begun, into } = gated();
    const replay = bus.replay({ into });
    await turnsUntil(() => begun.length === 1);
    await replay.seek(4);
    await replay.seek(5);
    await someTurns();
    gates[0]!.open();
    await turnsUntil(() => begun.length === 2);
    await replay.seek(2);
    replay.cancel();
    await someTurns();
    gates[1]!.open();
    expect(await replay.finished).to.include({ delivered: 2, cancelled: true, stillRunning: 0 });
    expect(begun).to.deep.equal([1, 5]);
  });

  it('goes where the latest call says, however long each takes to look up', async () => {
    const { bus } = await withSteps(1_500);
    const { seen, into } = noting();
    const replay = bus.replay({ into });
    replay.pause();
    // A time is looked for in the log, a position is known.
    await Promise.all([replay.seek(new Date(1_490_000)), replay.seek(100)]);
    await replay.step();
    const failed = replay.seek({ eventId: 'nobody' }).catch(() => 'failed');
    await Promise.all([replay.seek(200), failed]);
    await replay.step();
    expect(seen).to.deep.equal([100, 200]);
    replay.cancel();
    await replay.finished;
  });
});

describe('a step', () => {
  for (const [name, more] of [
    ['one at a time', {}],
    ['side by side', { concurrency: 5 }],
    ['in lanes', { key: 'position' }],
  ] as const)
    it(`ends when its handlers have ended, ${name}`, async () => {
      const { bus } = await withSteps(5);
      const { gates, into } = gated();
      const replay = bus.replay({ into, ...more });
      let ended: number | undefined;
      const step = replay.step(2).then((told) => (ended = told));
      await turnsUntil(() => gates.length > 0);
      await someTurns();
      expect(ended).to.equal(undefined);
      gates[0]!.open();
      await turnsUntil(() => gates.length === 2);
      await someTurns();
      expect(ended).to.equal(undefined);
      gates[1]!.open();
      expect(await step).to.equal(2);
      await someTurns();
      expect(gates.length, 'told').to.equal(2);
      replay.cancel();
      expect(await replay.finished).to.include({ delivered: 2 });
    });
});

describe('progress that nothing follows', () => {
  it('is told all the same, a tenth of a second later', async () => {
    const { bus, clock } = await createLived();
    await takeSteps(bus, [0, 0, 0, 0, 0, 500_000]);
    const replay = bus.replay({ into: () => undefined, speed: 'original' });
    const seen: ReplayProgress[] = [];
    replay.progress.subscribe((progress) => seen.push(progress));
    await turnsUntil(() => seen.length > 1);
    await someTurns();
    await clock.advance(100);
    const [late]: ReplayProgress[] = await new Promise((resolve) =>
      replay.progress.subscribe((progress) => resolve([progress])),
    );
    expect(late).to.include({ done: 5, position: 5 });
    expect(seen.at(-1)).to.include({ done: 5, position: 5 });
    replay.cancel();
    await replay.finished;
  });

  it('is told at the end of each step', async () => {
    const { bus } = await withSteps(5);
    const replay = bus.replay({ into: () => undefined });
    const seen: ReplayProgress[] = [];
    replay.progress.subscribe((progress) => seen.push(progress));
    for (const done of [1, 3]) {
      await replay.step(done === 1 ? 1 : 2);
      expect(seen.at(-1)).to.include({ state: 'paused', done, position: done });
    }
    replay.cancel();
    await replay.finished;
  });
});

describe('a replay that is stopped', () => {
  it('does not wait for ever for a handler when the bus closes, and says so', async () => {
    const { bus, clock } = await withSteps(3, { closeTimeout: 1_000 });
    const { begun, into } = gated();
    const replay = bus.replay({ into });
    await turnsUntil(() => begun.length === 1);
    const closing = bus.close();
    await clock.advance(1_000);
    expect(await closing).to.include({ unstored: 0 });
    expect(await replay.finished).to.include({ delivered: 0, cancelled: true, stillRunning: 1 });
  });

  it('answers what it had counted where it was a dry run, and nothing failed', async () => {
    const { bus } = await withSteps(3);
    const reports: string[] = [];
    bus.on('$bus.**', ({ type }) => void reports.push(type));
    for (const order of ['position', 'time'] as const) {
      const replay = bus.replay({ dryRun: true, order });
      replay.cancel();
      expect(await replay.finished).to.include({ cancelled: true });
    }
    await someTurns();
    expect(reports).to.deep.equal([]);
  });

  it('completes its observer', async () => {
    const { bus } = await withSteps(3);
    const calls: string[] = [];
    const into = { next: () => void calls.push('next'), complete: () => void calls.push('complete') };
    const replay = bus.replay({ into });
    await replay.step();
    replay.cancel();
    await replay.finished;
    expect(calls).to.deep.equal(['next', 'complete']);
  });
});
