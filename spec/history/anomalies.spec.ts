import { expect } from 'chai';
import fc from 'fast-check';
import { createVirtualClock } from '../../lib/clock.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { anomalies, type Anomalies, type AnomaliesOptions } from '../../lib/history/anomalies.ts';
import type { GapAnomaly } from '../../lib/history/gaps.ts';
import { InOrder } from '../../lib/history/in-order.ts';
import type { RateAnomaly } from '../../lib/history/rate.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);
const clock = createVirtualClock(START);

interface Given {
  readonly type?: string;
  readonly time: number;
}

async function createStore(events: readonly Given[]): Promise<Store> {
  const store = memory();
  await store.open({ clock });
  for (let at = 0; at < events.length; at += 500)
    await store.append(events.slice(at, at + 500).map((given, i) => buildEvent({ ...given, id: `e${at + i}` })));
  return store;
}

const ask = async (events: readonly Given[], options?: AnomaliesOptions): Promise<Anomalies> =>
  anomalies(await createStore(events), options, { clock });

/** So many events in each hour, evenly spread. */
const hours = (counts: readonly number[], type = 'tick'): readonly Given[] =>
  counts.flatMap((count, hour) =>
    Array.from({ length: count }, (_, i) => ({ type, time: START + hour * HOUR + (i * HOUR) / count })),
  );
const rates = ({ anomalies: found }: Anomalies): readonly RateAnomaly[] => found.filter((one) => one.kind === 'rate');
const gaps = ({ anomalies: found }: Anomalies): readonly GapAnomaly[] => found.filter((one) => one.kind === 'gap');
const USUAL = [9, 11, 10, 12, 8, 10, 9, 11, 10, 10, 12, 8];

/** The same figures each time, from 0 to 1. */
function createRandom(seed = 1): () => number {
  let state = seed;
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
}

describe('anomalies', () => {
  it('tells the hour with too many events and its figures', async () => {
    const answer = await ask(hours([...USUAL, 30, ...USUAL]));
    expect(rates(answer)).to.have.length(1);
    const { score, ...figures } = rates(answer)[0]!;
    expect(figures).to.deep.equal({
      kind: 'rate',
      key: ['tick'],
      from: START + 12 * HOUR,
      to: START + 13 * HOUR,
      count: 30,
      medianCount: 10,
      madCount: 1,
    });
    expect(score).to.be.closeTo(0.6745 * 20, 1e-9);
    expect([answer.keys, answer.unjudged, answer.late]).to.deep.equal([1, 0, 0]);
  });

  it('tells the hours with too few events, also those without any', async () => {
    const answer = await ask(hours([...USUAL, 0, 1, ...USUAL]), { threshold: 5 });
    expect(rates(answer).map(({ from, count }) => [(from - START) / HOUR, count])).to.deep.equal([
      [12, 0],
      [13, 1],
    ]);
    expect(rates(answer)[0]!.score).to.be.below(-5);
  });

  it('makes nothing of a first and a last hour that are half empty', async () => {
    expect(rates(await ask(hours([1, ...USUAL, 1])))).to.deep.equal([]);
    expect(rates(await ask(hours([40, ...USUAL])))).to.have.length(1);
  });

  it('judges each key by itself', async () => {
    const events = [
      ...hours(
        USUAL.map((n) => n * 10),
        'busy',
      ),
      ...hours([...USUAL.slice(1), 60], 'quiet'),
    ];
    expect(rates(await ask(events)).map(({ key }) => key)).to.deep.equal([['quiet']]);
    expect((await ask(events, { by: ['type', 'source'] })).anomalies[0]!.key).to.have.length(2);
  });

  it('says nothing of a key it knows too little of', async () => {
    const answer = await ask([...hours([1, 1, 9], 'new'), { type: 'single', time: START }], { minSamples: 12 });
    expect(answer).to.deep.equal({ anomalies: [], found: 0, keys: 2, unjudged: 2, late: 0 });
  });

  it('does not take one event more or less for an anomaly where all hours are alike', async () => {
    const alike = Array.from({ length: 30 }, () => 5);
    expect(rates(await ask(hours([...alike, 6, ...alike])))).to.deep.equal([]);
    expect(rates(await ask(hours([...alike, 12, ...alike])))).to.have.length(1);
    const seldom = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 1 : 0));
    expect(rates(await ask(hours(seldom)))).to.deep.equal([]);
  });

  it('tells a silence that is far longer than usual, and its figures', async () => {
    const random = createRandom();
    let time = START;
    const events: Given[] = [];
    for (let i = 0; i < 400; i++) events.push({ type: 'tick', time: (time += -1_000 * Math.log(random())) });
    const before = time;
    time += 200_000;
    for (let i = 0; i < 400; i++) events.push({ type: 'tick', time: (time += -1_000 * Math.log(random())) });
    const [gap, ...others] = gaps(await ask(events));
    expect(others).to.deep.equal([]);
    expect(gap!.from).to.equal(before);
    expect(gap!.to - gap!.from).to.equal(gap!.gapMs);
    expect(gap!.gapMs).to.be.above(200_000);
    expect(gap!.medianGapMs).to.be.within(500, 900);
    expect(gap!.usualGapMs).to.be.within(gap!.medianGapMs * 10, 200_000);
    expect(gap!.score).to.be.above(3.5);
  });

  it('finds hardly anything among thousands of random gaps', async () => {
    const random = createRandom(7);
    let time = START;
    const events = Array.from({ length: 5_000 }, () => ({ type: 'tick', time: (time += -1_000 * Math.log(random())) }));
    expect((await ask(events)).found).to.be.below(25);
  });

  it('finds the one late beat of a regular heart', async () => {
    const beats = Array.from({ length: 40 }, (_, i) => ({
      type: 'beat',
      time: START + i * 1_000 + (i >= 20 ? 900 : 0),
    }));
    const found = gaps(await ask(beats));
    expect(found.map(({ gapMs }) => gapMs)).to.deep.equal([1_900]);
    expect(
      gaps(await ask(beats.map((beat, i) => ({ ...beat, time: START + i * 1_000 + (i >= 20 ? 90 : 0) })))),
    ).to.have.length(0);
  });

  it('lists ten silences of one key and counts the others', async () => {
    const times = Array.from({ length: 300 }, (_, i) => START + i * 100 + Math.floor(i / 20) * 1_000_000);
    const answer = await ask(
      times.map((time) => ({ type: 'tick', time })),
      { bucket: '7d' },
    );
    expect([answer.anomalies.length, answer.found]).to.deep.equal([10, 14]);
  });

  it('lists the most unusual first, as many as are asked for', async () => {
    const events = hours([...USUAL, 30, ...USUAL, 50, ...USUAL, 40, ...USUAL]);
    const answer = await ask(events, { limit: 2 });
    expect(rates(answer).map(({ count }) => count)).to.deep.equal([50, 40]);
    expect(answer.found).to.equal(3);
  });

  it('puts times in order that come a little out of order, and says how many came too late', async () => {
    const beats = Array.from({ length: 12_000 }, (_, i) => ({ type: 'beat', time: START + (i ^ 3) * 1_000 }));
    expect(await ask(beats)).to.deep.include({ anomalies: [], late: 0 });
    const answer = await ask([...beats, { type: 'beat', time: START + 500 }]);
    expect([answer.late, gaps(answer).length]).to.deep.equal([1, 0]);
  });

  it('looks only at the selection', async () => {
    const events = [...hours([...USUAL, 30, ...USUAL]), ...hours(USUAL, 'tock')];
    expect((await ask(events, { type: 'tock' })).keys).to.equal(1);
    const until = new Date(START + 12 * HOUR - 1);
    expect((await ask(events, { to: until })).found).to.equal(0);
  });

  it('agrees with rates and gaps judged by hand', () => {
    const given = fc.record({ type: fc.constantFrom('a', 'b'), time: fc.integer({ min: -50, max: 400 }) });
    const burst = fc
      .tuple(given, fc.integer({ min: 1, max: 12 }))
      .map(([event, n]) => Array.from({ length: n }, () => event));
    return fc.assert(
      fc.asyncProperty(
        fc.array(burst, { maxLength: 30 }),
        fc.constantFrom(7, 20, 60),
        fc.constantFrom(0.5, 2, 3.5),
        async (bursts, bucket, threshold) => {
          const events = bursts.flat();
          const options = { bucket, threshold, minSamples: 3, limit: 10_000 };
          const answer = await ask(events, options);
          const told = rates(answer).map(({ key, from, count, score }) => [key[0], from, count, round(score)]);
          expect(told.toSorted(byText)).to.deep.equal(ratesByHand(events, bucket, threshold).toSorted(byText));
          const scores = gaps(answer).map(({ key, gapMs, score }) => [key[0], gapMs, round(score)]);
          const all = gapsByHand(events, threshold);
          expect(scores.toSorted(byText)).to.deep.equal(all.flatMap((gap) => gap.slice(0, 10)).toSorted(byText));
          expect(answer.found).to.equal(told.length + all.flat().length);
        },
      ),
      { numRuns: 200 },
    );
  });

  describe('refuses', () => {
    const wrong: readonly (readonly [string, unknown, ErrorCode, RegExp])[] = [
      ['a bucket of 0', { bucket: 0 }, 'INVALID_QUERY', /`bucket`/],
      ['a threshold of 0', { threshold: 0 }, 'INVALID_QUERY', /`threshold`/],
      ['a threshold that is no number', { threshold: NaN }, 'INVALID_QUERY', /`threshold`/],
      ['a threshold without end', { threshold: Infinity }, 'INVALID_QUERY', /`threshold`/],
      ['too few samples', { minSamples: 2 }, 'INVALID_QUERY', /`minSamples`/],
      ['a limit of 0', { limit: 0 }, 'INVALID_QUERY', /`limit`/],
      ['an unknown option', { score: 3 }, 'INVALID_QUERY', /`score`/],
      ['a path to a prototype', { by: 'metadata.constructor' }, 'INVALID_PATH', /constructor/],
      ['a pattern that is none', { pattern: 'a*' }, 'INVALID_PATTERN', /a\*/],
    ];
    for (const [name, options, code, message] of wrong)
      it(name, async () => {
        const error = await rejectionOf(ask([], options as AnomaliesOptions));
        expect(error.code).to.equal(code);
        expect(error.message).to.match(message);
      });

    it('more buckets than it can keep', async () => {
      const events = Array.from({ length: 65_537 }, (_, i) => ({ time: START + i }));
      const error = await rejectionOf(ask(events, { bucket: 1 }));
      expect([error.code, error.details]).to.deep.equal(['INVALID_QUERY', { max: 65_536 }]);
      expect(error.message).to.contain('wider `bucket`');
    });

    it('more keys than it can keep', async () => {
      const events = Array.from({ length: 10_001 }, () => ({ time: START }));
      expect((await rejectionOf(ask(events, { by: 'id' }))).message).to.contain('10000 keys');
    });
  });
});

describe('in order', () => {
  it('sorts what is displaced by no more than its size', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.double({ min: 0, max: 1 })), (size, moves) => {
        const displaced = moves.map((move, i) => ({ at: i + move * size, i })).toSorted((a, b) => a.at - b.at);
        const out: number[] = [];
        const ordered = new InOrder<number>(
          size,
          (a, b) => a - b,
          (i) => out.push(i),
        );
        for (const { i } of displaced) ordered.add(i);
        ordered.end();
        expect(out).to.deep.equal(moves.map((_, i) => i));
      }),
    ));
});

const round = (value: number): number => Math.round(value * 1e6);
const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

const middle = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return Number.isInteger(half) ? (sorted[half - 1]! + sorted[half]!) / 2 : sorted[Math.floor(half)]!;
};

/** As the formula is in the book. */
function scoresOf(values: readonly number[], least: number): readonly number[] {
  const median = middle(values);
  const deviations = values.map((value) => Math.abs(value - median));
  const mad = middle(deviations);
  const mean = deviations.reduce((sum, deviation) => sum + deviation, 0) / values.length;
  const scale = Math.max(least, mad > 0 ? mad / 0.6745 : 1.2533 * mean);
  return values.map((value) => (value - median) / scale);
}

function ratesByHand(events: readonly Given[], bucket: number, threshold: number): readonly unknown[][] {
  return ['a', 'b'].flatMap((type) => {
    const times = events.filter((event) => event.type === type).map(({ time }) => Math.floor(time / bucket));
    const first = Math.min(...times);
    const length = times.length === 0 ? 0 : Math.max(...times) - first + 1;
    const counts = Array.from({ length }, (_, i) => times.filter((time) => time === first + i).length);
    if (length < 3) return [];
    return scoresOf(counts, 1).flatMap((score, i) => {
      const whole = i > 0 && i < length - 1;
      if (score < threshold && !(whole && score <= -threshold)) return [];
      return [[type, (first + i) * bucket, counts[i]!, round(score)]];
    });
  });
}

/** By type, the longest first. */
function gapsByHand(events: readonly Given[], threshold: number): readonly (readonly unknown[][])[] {
  return ['a', 'b'].map((type) => {
    const times = events.filter((event) => event.type === type).map(({ time }) => time);
    const sorted = times.toSorted((a, b) => a - b);
    const between = sorted.slice(1).map((time, i) => time - sorted[i]!);
    if (between.length < 3) return [];
    const scores = scoresOf(
      between.map((gap) => Math.log1p(gap)),
      0.1,
    );
    return between
      .map((gap, i) => [type, gap, round(scores[i]!)])
      .filter((_, i) => scores[i]! >= threshold)
      .toSorted((a, b) => (b[1] as number) - (a[1] as number));
  });
}
