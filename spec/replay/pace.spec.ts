import { expect } from 'chai';
import fc from 'fast-check';
import { createVirtualClock } from '../../lib/testing.ts';
import { gapMs, Pace } from '../../lib/replay/pace.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { createLived, takeSteps, type Lived } from './lived.ts';

/** When each event was told, in ms of the bus's clock since the first. */
async function toldAt(lived: Lived, options: object, forMs: number): Promise<readonly number[]> {
  const told: number[] = [];
  const { bus, clock } = lived;
  const { finished } = bus.replay({ into: () => void told.push(clock.monotonic()), ...options });
  await turnsUntil(() => told.length > 0);
  await clock.advance(forMs);
  const { tookMs } = await finished;
  expect(tookMs, 'no wait behind the last').to.equal(told.at(-1)! - told[0]!);
  return told.map((at) => at - told[0]!);
}

describe('the speed of a replay', () => {
  for (const [speed, expected] of [
    ['original', [0, 1_000, 1_000, 4_000]],
    [1, [0, 1_000, 1_000, 4_000]],
    [10, [0, 100, 100, 400]],
    [0.5, [0, 2_000, 2_000, 8_000]],
  ] as const)
    it(`waits as long as the events lie apart, at ${speed}`, async () => {
      const lived = await createLived();
      await takeSteps(lived.bus, [0, 1_000, 1_000, 4_000]);
      expect(await toldAt(lived, { speed }, 10_000)).to.deep.equal(expected);
    });

  it('waits for nothing at max, which is the default', async () => {
    const lived = await createLived();
    await takeSteps(lived.bus, [0, 1_000, 9e9]);
    expect(await toldAt(lived, {}, 0)).to.deep.equal([0, 0, 0]);
    expect(await toldAt(lived, { speed: 'max' }, 0)).to.deep.equal([0, 0, 0]);
  });

  it('caps each wait at maxGap, after the speed', async () => {
    const lived = await createLived();
    await takeSteps(lived.bus, [0, 1_000, 100_000, 100_500]);
    expect(await toldAt(lived, { speed: 10, maxGap: '2s' }, 10_000)).to.deep.equal([0, 100, 2_100, 2_150]);
  });

  it('does not wait for an event whose time lies before the last', async () => {
    const lived = await createLived();
    await takeSteps(lived.bus, [5_000, 1_000, 1_200]);
    expect(await toldAt(lived, { speed: 'original' }, 10_000)).to.deep.equal([0, 0, 200]);
  });

  it('waits from one event that is told to the next, not for those of the bus', async () => {
    const lived = await createLived();
    const { bus } = lived;
    await takeSteps(bus, [0]);
    expect(() => bus.emit('step.taken', Infinity)).to.throw();
    await bus.flush();
    await takeSteps(bus, [1_000]);
    expect(await toldAt(lived, { speed: 'original' }, 9e12)).to.deep.equal([0, 1_000]);
  });

  it('goes backward as slowly as forward', async () => {
    const lived = await createLived();
    await takeSteps(lived.bus, [0, 1_000, 4_000]);
    expect(await toldAt(lived, { speed: 'original', direction: 'backward' }, 10_000)).to.deep.equal([0, 3_000, 4_000]);
  });

  it('keeps to the schedule behind a slow handler', async () => {
    const lived = await createLived();
    await takeSteps(lived.bus, [0, 1_000, 2_000]);
    const { bus, clock } = lived;
    const told: number[] = [];
    const gate = createGate();
    const { finished } = bus.replay({
      speed: 'original',
      into: async () => {
        told.push(clock.monotonic());
        if (told.length === 1) await gate.promise;
      },
    });
    await turnsUntil(() => told.length > 0);
    await clock.advance(1_400);
    gate.open();
    for (let i = 0; i < 5; i++) await turn();
    await clock.advance(600);
    await finished;
    expect(told.map((at) => at - told[0]!)).to.deep.equal([0, 1_400, 2_000]);
  });

  it('stands still in a pause', async () => {
    const lived = await createLived();
    await takeSteps(lived.bus, [0, 1_000, 2_000]);
    const { bus, clock } = lived;
    const told: number[] = [];
    const replay = bus.replay({ speed: 'original', into: () => void told.push(clock.monotonic()) });
    await turnsUntil(() => told.length === 1);
    await clock.advance(400);
    replay.pause();
    await clock.advance(10_000);
    expect(told.length).to.equal(1);
    replay.resume();
    await clock.advance(599);
    expect(told.length).to.equal(1);
    await clock.advance(1_001);
    await replay.finished;
    expect(told.map((at) => at - told[0]!)).to.deep.equal([0, 11_000, 12_000]);
  });

  it('adds up to what the dry run says, whatever the times', async () => {
    const times = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 12 });
    const speed = fc.constantFrom(0.5, 1, 3, 1_000);
    const maxGap = fc.constantFrom(undefined, 0, 50, 20_000);
    const direction = fc.constantFrom('forward', 'backward');
    const order = fc.constantFrom('position', 'time');
    await fc.assert(
      fc.asyncProperty(times, speed, maxGap, direction, order, async (at, factor, gap, way, by) => {
        const lived = await createLived();
        await takeSteps(lived.bus, at);
        const options = {
          speed: factor,
          direction: way,
          order: by,
          ...(gap !== undefined && { maxGap: gap }),
        } as const;
        const { durationMs } = await lived.bus.replay({ ...options, dryRun: true }).finished;
        const told = await toldAt(lived, options, 12 * 200_000);
        expect(told.at(-1)).to.be.closeTo(durationMs, 1e-6);
        expect(told.length).to.equal(at.length);
        if (by === 'time') {
          const span = (Math.max(...at) - Math.min(...at)) / factor;
          expect(durationMs).to.be.at.most(span + 1e-6);
          if (gap === undefined) expect(durationMs).to.be.closeTo(span, 1e-6);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('has gaps that are never negative and never above the cap', () => {
    const time = fc.double({ min: 0, max: 1e13, noNaN: true });
    const rest = fc.record({
      factor: fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      maxGapMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
      backward: fc.boolean(),
    });
    fc.assert(
      fc.property(time, time, rest, (from, to, options) => {
        const gap = gapMs(from, to, options);
        expect(gap).to.be.within(0, options.maxGapMs);
        if (gapMs(to, from, options) > 0) expect(gap).to.equal(0);
      }),
    );
  });

  it('begins anew behind a step', () => {
    const clock = createVirtualClock();
    const pace = new Pace({ factor: 1, maxGapMs: Infinity, backward: false }, clock);
    pace.told(0);
    pace.hold();
    pace.stepped(500);
    pace.go();
    expect(pace.untilDue(800)).to.equal(300);
  });
});
