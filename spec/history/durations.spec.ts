import { expect } from 'chai';
import fc from 'fast-check';
import { createVirtualClock } from '../../lib/clock.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { StoredEvent, TelltaleEvent } from '../../lib/event/event.ts';
import { durations, type Durations, type DurationsOptions } from '../../lib/history/durations.ts';
import type { DurationPair } from '../../lib/history/pairing.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const START = Date.UTC(2026, 0, 1);
const clock = createVirtualClock(START);
const TOOL = { start: 'tool.started', end: ['tool.finished', 'tool.failed'] } as const;

async function createStore(events: readonly Partial<TelltaleEvent>[]): Promise<Store> {
  const store = memory();
  await store.open({ clock });
  for (let at = 0; at < events.length; at += 500)
    await store.append(
      events
        .slice(at, at + 500)
        .map((given, i) => buildEvent({ time: START, correlationId: 'c', ...given, ...idOf(given, at + i) })),
    );
  return store;
}

function idOf({ id }: Partial<TelltaleEvent>, index: number): { readonly id: string } {
  return { id: id ?? `e${index}` };
}

const ask = async (events: readonly Partial<TelltaleEvent>[], options: DurationsOptions): Promise<Durations> =>
  durations(await createStore(events), options, { clock });
const names = (pairs: readonly DurationPair[]): readonly string[] =>
  pairs.map(({ start, end }) => `${start.id}-${end.id}`);
const ids = ({ events }: { readonly events: readonly { readonly id: string }[] }): readonly string[] =>
  events.map(({ id }) => id);

const jobOf = ({ payload }: StoredEvent): unknown => (payload as { readonly job?: unknown }).job;
const failing = (): never => {
  throw new RangeError('mine');
};

const GETTER: PropertyDescriptor = { enumerable: true, get: () => raise(new Error('getter')) };

describe('durations', () => {
  it('pairs each end with the beginning that caused it, as record writes them', async () => {
    const answer = await ask(
      [
        { id: 'a', type: 'tool.started', time: 0 },
        { id: 'b', type: 'tool.started', time: 10 },
        { id: 'A', type: 'tool.finished', time: 40, causationId: 'a' },
        { id: 'B', type: 'tool.failed', time: 30, causationId: 'b' },
        { id: 'other', type: 'tool.said', time: 31, causationId: 'b' },
      ],
      TOOL,
    );
    expect(names(answer.pairs)).to.deep.equal(['a-A', 'b-B']);
    const { count, minMs, avgMs, p50Ms, p95Ms, p99Ms, maxMs } = answer;
    expect([count, minMs, avgMs, p50Ms, p95Ms, p99Ms, maxMs]).to.deep.equal([2, 20, 30, 20, 40, 40, 40]);
    expect(answer.pairs[0]).to.deep.equal({
      start: { id: 'a', type: 'tool.started', position: 1, time: 0, correlationId: 'c' },
      end: { id: 'A', type: 'tool.finished', position: 3, time: 40, correlationId: 'c' },
      key: 'c',
      durationMs: 40,
    });
  });

  it('leaves the others of a key in order when one in the middle has ended', async () => {
    const answer = await ask(
      [
        ...['a', 'b', 'c'].map((id) => ({ id, type: 'tool.started' })),
        { id: 'B', type: 'tool.finished', causationId: 'b' },
        { id: 'C', type: 'tool.finished' },
        { id: 'A', type: 'tool.finished' },
      ],
      TOOL,
    );
    expect(names(answer.pairs).toSorted()).to.deep.equal(['a-A', 'b-B', 'c-C']);
  });

  it('falls back on the nearest beginning of the correlation where the cause is none', async () => {
    const answer = await ask(
      [
        { id: 'a', type: 'tool.started', time: 0 },
        { id: 'x', type: 'tool.started', time: 1, correlationId: 'other' },
        { id: 'b', type: 'tool.started', time: 5 },
        { id: 'B', type: 'tool.finished', time: 6, causationId: 'step' },
        { id: 'A', type: 'tool.finished', time: 9 },
      ],
      TOOL,
    );
    expect(names(answer.pairs)).to.deep.equal(['a-A', 'b-B']);
    expect(ids(answer.unfinished)).to.deep.equal(['x']);
  });

  it('pairs by cause alone where that is asked', async () => {
    const answer = await ask(
      [
        { id: 'a', type: 'tool.started' },
        { id: 'A', type: 'tool.finished', causationId: 'step' },
      ],
      { ...TOOL, by: 'causationId' },
    );
    expect([answer.count, ids(answer.unfinished), ids(answer.orphans)]).to.deep.equal([0, ['a'], ['A']]);
    expect(answer).not.to.have.any.keys('minMs', 'avgMs', 'p50Ms', 'maxMs');
  });

  it('pairs by a path or a function; what has no key pairs with nothing', async () => {
    const events = [
      { id: 'a', type: 'tool.started', payload: { job: 1 } },
      { id: 'b', type: 'tool.started', payload: { job: '1' } },
      { id: 'n', type: 'tool.started', payload: {} },
      { id: 'A', type: 'tool.finished', payload: { job: 1 } },
      { id: 'N', type: 'tool.finished', payload: {} },
      { id: 'B', type: 'tool.finished', payload: { job: '1' } },
    ];
    const byPath = await ask(events, { ...TOOL, by: 'payload.job' });
    expect(names(byPath.pairs)).to.deep.equal(['a-A', 'b-B']);
    expect([ids(byPath.unfinished), ids(byPath.orphans)]).to.deep.equal([['n'], ['N']]);
    expect(await ask(events, { ...TOOL, by: jobOf })).to.deep.equal(byPath);
  });

  it('rejects with what a function of the caller throws', async () => {
    const error = await ask([{ type: 'tool.started' }], { ...TOOL, by: failing }).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'HANDLER_FAILED' });
    expect((error as Error).cause).to.be.instanceOf(RangeError);
  });

  it('measures from one to the next where a type both ends and begins', async () => {
    const answer = await ask(
      [0, 30, 100].map((time, i) => ({ id: `p${i}`, type: 'page.viewed', time })),
      { start: 'page.*', end: 'page.*' },
    );
    expect(names(answer.pairs)).to.deep.equal(['p1-p2', 'p0-p1']);
    expect([answer.unfinished.count, answer.orphans.count]).to.deep.equal([1, 0]);
  });

  it('keeps a pair whose end bears an earlier time out of the figures and tells it', async () => {
    const answer = await ask(
      [
        { id: 'a', type: 'tool.started', time: 50 },
        { id: 'A', type: 'tool.finished', time: 20 },
        { id: 'b', type: 'tool.started', time: 60 },
        { id: 'B', type: 'tool.finished', time: 60 },
      ],
      TOOL,
    );
    expect([answer.count, answer.minMs, answer.maxMs]).to.deep.equal([1, 0, 0]);
    expect([answer.negative.count, names(answer.negative.pairs)]).to.deep.equal([1, ['a-A']]);
    expect(answer.negative.pairs[0]!.durationMs).to.equal(-30);
  });

  it('lists the longest pairs, the oldest unfinished and orphans, and counts all', async () => {
    const events = Array.from({ length: 10 }, (_, i) => [
      { id: `s${i}`, type: 'tool.started', time: i, correlationId: `${i}` },
      { id: `f${i}`, type: 'tool.finished', time: 10 * i, correlationId: `${i}` },
      { id: `f-${i}`, type: 'tool.finished', time: 10 * i, correlationId: `orphan` },
      { id: `s-${i}`, type: 'tool.started', time: i, correlationId: `u${i}` },
    ]).flat();
    const answer = await ask(events, { ...TOOL, limit: 2 });
    expect(names(answer.pairs)).to.deep.equal(['s9-f9', 's8-f8']);
    expect(ids(answer.unfinished)).to.deep.equal(['s-0', 's-1']);
    expect(ids(answer.orphans)).to.deep.equal(['f-0', 'f-1']);
    expect([answer.count, answer.unfinished.count, answer.orphans.count]).to.deep.equal([10, 10, 10]);
    const backward = events.map((event) => ({
      ...event,
      time: -event.time * (event.type === 'tool.started' ? -1 : 1) - 1,
    }));
    const { negative } = await ask(backward, { ...TOOL, limit: 2 });
    expect([negative.count, names(negative.pairs)]).to.deep.equal([9, ['s1-f1', 's2-f2']]);
    const none = await ask(events, { ...TOOL, limit: 0 });
    expect([none.count, none.pairs, none.unfinished.events]).to.deep.equal([10, [], []]);
  });

  it('looks only at what the selection and the filter name', async () => {
    const events = ['x', 'y'].flatMap((source) => [
      { type: 'tool.started', source, correlationId: source },
      { type: 'tool.finished', source, correlationId: source },
    ]);
    expect((await ask(events, { ...TOOL, where: { source: 'x' } })).count).to.equal(1);
    expect((await ask(events, { ...TOOL, after: 2 })).count).to.equal(1);
    expect((await ask(events, { ...TOOL, correlationId: 'y' })).count).to.equal(1);
  });

  it('agrees with pairs found by hand', () => {
    const given = fc.record({
      type: fc.constantFrom('tool.started', 'tool.finished', 'tool.failed', 'tool.said'),
      time: fc.integer({ min: 0, max: 100 }),
      payload: fc.record({ k: fc.constantFrom(1, 2) }, { requiredKeys: [] }),
      correlationId: fc.constantFrom('c', 'd'),
      causationId: fc.option(
        fc.integer({ min: 0, max: 40 }).map((n) => `e${n}`),
        { nil: undefined },
      ),
    });
    const events = fc
      .array(given, { maxLength: 40 })
      .map((list) => list.map(({ causationId, ...rest }) => ({ ...rest, ...(causationId && { causationId }) })));
    return fc.assert(
      fc.asyncProperty(
        events,
        fc.constantFrom(undefined, 'payload.k', 'correlationId', 'causationId'),
        fc.boolean(),
        async (list, by, alike) => {
          const options = { start: 'tool.started', end: alike ? 'tool.*' : TOOL.end, ...(by && { by }) };
          const answer = await ask(list, { ...options, limit: 1_000 });
          expect(plainly(answer)).to.deep.equal(byHand(list, by, alike));
        },
      ),
      { numRuns: 400 },
    );
  });

  describe('refuses', () => {
    const wrong: readonly (readonly [string, unknown, ErrorCode, RegExp])[] = [
      ['nothing at all', undefined, 'INVALID_QUERY', /durations/],
      ['no end', { start: 'a' }, 'INVALID_QUERY', /`end`/],
      ['no patterns', { start: [], end: 'b' }, 'INVALID_QUERY', /`start`/],
      ['what is no pattern', { start: 'a..b', end: 'b' }, 'INVALID_PATTERN', /a\.\.b/],
      ['a pattern of its own', { ...TOOL, pattern: '**' }, 'INVALID_QUERY', /`pattern`.*start, end/],
      ['an unknown option', { ...TOOL, key: 'x' }, 'INVALID_QUERY', /`key`/],
      ['a path to a prototype', { ...TOOL, by: 'payload.__proto__' }, 'INVALID_PATH', /__proto__/],
      ['a field no event has', { ...TOOL, by: 'job' }, 'INVALID_QUERY', /`by`/],
      ['what is neither path nor function', { ...TOOL, by: 5 }, 'INVALID_QUERY', /`by`/],
      ['a negative limit', { ...TOOL, limit: -1 }, 'INVALID_QUERY', /`limit`/],
      ['an unknown operator', { ...TOOL, where: { time: { $near: 1 } } }, 'INVALID_FILTER', /\$near/],
    ];
    for (const [name, options, code, message] of wrong)
      it(name, async () => {
        const error = await rejectionOf(ask([], options as DurationsOptions));
        expect(error.code).to.equal(code);
        expect(error.message).to.match(message);
      });

    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const keys: readonly (readonly [string, () => unknown, ErrorCode, RegExp])[] = [
      [
        'throws',
        () => (null as unknown as string).length,
        'HANDLER_FAILED',
        /`by` failed on `tool\.started`.*position 1/,
      ],
      ['throws no error', () => raise('words'), 'HANDLER_FAILED', /position 1: "words"/],
      ['answers a BigInt', () => 5n, 'INVALID_QUERY', /plain data.*5 \(bigint\)/],
      ['answers a cycle', () => cycle, 'INVALID_QUERY', /plain data/],
      ['answers a Date', () => new Date(), 'INVALID_QUERY', /plain data.*a Date/],
      ['answers a Promise', () => Promise.reject(new Error('late')), 'INVALID_QUERY', /at once.*a Promise/],
      ['answers a getter that throws', () => Object.defineProperty({}, 'a', GETTER), 'INVALID_QUERY', /plain data/],
    ];
    for (const [name, by, code, message] of keys)
      it(`a key function that ${name}`, async () => {
        const error = await rejectionOf(ask([{ type: 'tool.started' }], { ...TOOL, by }));
        expect(error.code).to.equal(code);
        expect(error.message).to.match(message);
        expect(error.details).to.deep.include({ position: 1, type: 'tool.started' });
      });

    it('more than 50,000 beginnings that wait for an end', async () => {
      const events = Array.from({ length: 50_001 }, () => ({ type: 'tool.started' }));
      const error = await rejectionOf(ask(events, TOOL));
      expect(error.code).to.equal('INVALID_QUERY');
      expect(error.details).to.deep.equal({ position: 50_001, max: 50_000 });
    });
  });
});

interface Found {
  readonly pairs: readonly string[];
  readonly negative: readonly string[];
  readonly unfinished: readonly string[];
  readonly orphans: readonly string[];
  readonly sum: number;
}

function plainly({ count, avgMs = 0, pairs, negative, unfinished, orphans }: Durations): Found {
  return {
    pairs: names(pairs).toSorted(),
    negative: names(negative.pairs).toSorted(),
    unfinished: ids(unfinished),
    orphans: ids(orphans),
    sum: Math.round(avgMs * count),
  };
}

const show = ([start, end]: [number, number]): string => `e${start}-e${end}`;

/** Looks back over the whole list for each end. */
function byHand(list: readonly Partial<TelltaleEvent>[], by: string | undefined, alike: boolean): Found {
  const open: number[] = [];
  const pairs: [number, number][] = [];
  const orphans: number[] = [];
  const keyOf = (i: number): unknown => {
    if (by === 'payload.k') return (list[i]!.payload as { readonly k?: unknown }).k;
    return by === 'causationId' ? undefined : list[i]!.correlationId;
  };
  list.forEach(({ type, causationId }, i) => {
    const isStart = type === 'tool.started';
    if (alike || type === 'tool.finished' || type === 'tool.failed') {
      const byCause = by === undefined || by === 'causationId';
      const cause = byCause ? open.find((at) => `e${at}` === causationId) : undefined;
      const same = open.findLast((at) => keyOf(at) !== undefined && keyOf(at) === keyOf(i));
      const start = cause ?? same;
      if (start !== undefined) {
        open.splice(open.indexOf(start), 1);
        pairs.push([start, i]);
      } else if (!isStart) orphans.push(i);
    }
    if (isStart) open.push(i);
  });
  const took = ([start, end]: [number, number]): number => list[end]!.time! - list[start]!.time!;
  return {
    pairs: pairs
      .filter((pair) => took(pair) >= 0)
      .map(show)
      .toSorted(),
    negative: pairs
      .filter((pair) => took(pair) < 0)
      .map(show)
      .toSorted(),
    unfinished: open.map((i) => `e${i}`),
    orphans: orphans.map((i) => `e${i}`),
    sum: pairs
      .map(took)
      .filter((ms) => ms >= 0)
      .reduce((sum, ms) => sum + ms, 0),
  };
}

function raise(thrown: unknown): never {
  throw thrown;
}
