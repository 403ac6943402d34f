import { expect } from 'chai';
import fc from 'fast-check';
import { createVirtualClock } from '../../lib/clock.ts';
import type { ErrorCode, TelltaleError } from '../../lib/errors.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import { summarize, type SummarizeOptions, type Summary } from '../../lib/history/summarize.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turn } from '../support/turns.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);
const clock = createVirtualClock(START);

interface Given {
  readonly type?: string;
  readonly time?: number;
  readonly payload?: unknown;
}

async function createStore(events: readonly Given[]): Promise<Store> {
  const store = memory();
  await store.open({ clock });
  for (let at = 0; at < events.length; at += 500)
    await store.append(
      events.slice(at, at + 500).map((given, i) => buildEvent({ time: START + at + i, ...given, id: `e${at + i}` })),
    );
  return store;
}

const TOOLS = [
  { type: 'tool.finished', time: START + 10, payload: { tool: 'grep', ms: 30, status: 'ok' } },
  { type: 'tool.finished', time: START + HOUR, payload: { tool: 'grep', ms: 10, status: 'ok' } },
  { type: 'tool.failed', time: START + HOUR + 1, payload: { tool: 'edit', ms: 'unknown', status: 'broken' } },
  { type: 'tool.finished', time: START + 2 * HOUR - 1, payload: { tool: 'edit', ms: 50 } },
  { type: 'run.started', time: START + 3 * HOUR, payload: null },
];

async function refusal(options: unknown, events: readonly Given[] = []): Promise<TelltaleError> {
  return rejectionOf(summarize(await createStore(events), options as SummarizeOptions, { clock }));
}

describe('summarize', () => {
  let store: Store;
  before(async () => {
    store = await createStore(TOOLS);
  });
  const ask = (options?: SummarizeOptions): Promise<Summary> => summarize(store, options, { clock });

  it('counts everything in one row without options', async () => {
    expect(await ask()).to.deep.equal({ rows: [{ key: [], count: 5 }], events: 5 });
  });

  it('gives each group its figures, the largest first', async () => {
    const { rows } = await ask({
      pattern: 'tool.*',
      by: 'payload.tool',
      sum: 'payload.ms',
      count: true,
      avg: 'payload.ms',
      min: 'payload.ms',
      max: 'payload.ms',
      p50: 'payload.ms',
      p99: 'payload.ms',
      first: 'payload.status',
      last: 'payload.status',
    });
    expect(rows).to.deep.equal([
      {
        key: ['edit'],
        count: 2,
        sum: 50,
        avg: 50,
        min: 50,
        max: 50,
        p50: 50,
        p99: 50,
        first: 'broken',
        last: 'broken',
        skipped: 1,
      },
      { key: ['grep'], count: 2, sum: 40, avg: 20, min: 10, max: 30, p50: 10, p99: 30, first: 'ok', last: 'ok' },
    ]);
  });

  it('splits groups at whole hours of UTC, by the time of the events', async () => {
    const { rows } = await ask({ by: ['type'], bucket: '1h' });
    expect(rows).to.deep.equal([
      { key: ['tool.finished'], from: START, count: 1 },
      { key: ['tool.finished'], from: START + HOUR, count: 2 },
      { key: ['tool.failed'], from: START + HOUR, count: 1 },
      { key: ['run.started'], from: START + 3 * HOUR, count: 1 },
    ]);
  });

  it('tells 1, the text 1, null and nothing apart', async () => {
    const kinds = [{ k: 1 }, { k: '1' }, { k: null }, {}, { k: 1 }, { k: { b: 1, a: 2 } }, { k: { a: 2, b: 1 } }];
    const odd = await createStore(kinds.map((payload) => ({ payload })));
    const { rows } = await summarize(odd, { by: 'payload.k' });
    expect(rows.map(({ key, count }) => [key[0], count])).to.deep.equal([
      [1, 2],
      [{ b: 1, a: 2 }, 2],
      ['1', 1],
      [null, 1],
      [undefined, 1],
    ]);
  });

  it('groups by the data of users without touching a prototype', async () => {
    const odd = await createStore([{ payload: { tool: '__proto__' } }, { payload: { tool: 'constructor' } }]);
    const { rows } = await summarize(odd, { by: 'payload.tool' });
    expect(rows.map(({ key }) => key[0])).to.deep.equal(['__proto__', 'constructor']);
  });

  it('does not mistake a comma in a value for the next value', async () => {
    const odd = await createStore([{ payload: { a: 'x","y', b: 'z' } }, { payload: { a: 'x', b: 'y","z' } }]);
    expect((await summarize(odd, { by: ['payload.a', 'payload.b'] })).rows).to.have.length(2);
  });

  it('keeps the largest rows and says how much is in the rest', async () => {
    const { rows, rest, events } = await ask({ by: 'type', max: 'payload.ms', last: 'type', top: 1 });
    expect(rows).to.deep.equal([{ key: ['tool.finished'], count: 3, max: 50, last: 'tool.finished' }]);
    expect(rest).to.deep.equal({ rows: 2, count: 2, last: 'run.started', skipped: 2 });
    expect(events).to.equal(5);
  });

  it('puts groups without any number behind those with negative ones', async () => {
    const debts = await createStore([
      { type: 'a' },
      { type: 'b', payload: { n: -5 } },
      { type: 'c', payload: { n: -2 } },
    ]);
    const { rows } = await summarize(debts, { sum: 'payload.n', by: 'type' });
    expect(rows.map(({ key, sum }) => [key[0], sum])).to.deep.equal([
      ['c', -2],
      ['b', -5],
      ['a', undefined],
    ]);
  });

  it('has no rest where nothing is left out', async () => {
    expect(await ask({ by: 'type', top: 3 })).not.to.have.property('rest');
  });

  it('looks only at the events of the selection', async () => {
    const { rows } = await ask({ pattern: 'tool.*', where: { 'payload.tool': 'grep' }, after: 1, max: 'payload.ms' });
    expect(rows).to.deep.equal([{ key: [], count: 1, max: 10 }]);
  });

  it('answers no rows where there is nothing', async () => {
    expect(await ask({ pattern: 'no.such', by: 'type' })).to.deep.equal({ rows: [], events: 0 });
  });

  it('agrees with a summary made by hand', () => {
    const given = fc.record({
      type: fc.constantFrom('a', 'b'),
      time: fc.integer({ min: -5, max: 60 }),
      payload: fc.record(
        { k: fc.constantFrom(1, 2, null, 'x'), n: fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constant('none')) },
        { requiredKeys: [] },
      ),
    });
    return fc.assert(
      fc.asyncProperty(
        fc.array(given, { maxLength: 60 }),
        fc.option(fc.constantFrom(1, 7, 20), { nil: undefined }),
        fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
        async (events, bucket, top) => {
          const log = await createStore(events);
          const options = {
            count: true,
            by: ['type', 'payload.k'],
            sum: 'payload.n',
            p95: 'payload.n',
            min: 'payload.n',
            first: 'payload.n',
            last: 'payload.n',
          } as const;
          const summary = await summarize(log, {
            ...options,
            ...(bucket !== undefined && { bucket }),
            ...(top !== undefined && { top }),
          });
          expect(summary).to.deep.equal(byHand(await log.page(WHOLE).then((page) => page.events), bucket, top));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('lets the event loop turn, however much there is', async function () {
    this.timeout(30_000);
    const many = await createStore(
      Array.from({ length: 60_000 }, (_, i) => ({ payload: { k: i % 30_000, ms: i % 977 } })),
    );
    const summary = summarize(many, { by: 'payload.k', sum: 'payload.ms', top: 10 });
    const turns = turnsDuring(summary);
    expect((await summary).rest?.rows).to.equal(29_990);
    // How long it is held at most is for the benchmark: a busy machine holds it too.
    expect(await turns).to.be.above(5);
  });

  describe('refuses', () => {
    const wrong: readonly (readonly [string, unknown, ErrorCode, RegExp])[] = [
      ['an unknown aggregation', { median: 'payload.ms' }, 'INVALID_QUERY', /`median`.*known:.*p50/],
      ['a bucket of 0', { bucket: 0 }, 'INVALID_QUERY', /`bucket`.*1 ms/],
      ['a bucket that is no duration', { bucket: '1 week' }, 'INVALID_DURATION', /`bucket`/],
      ['a count that is not true', { count: 'payload.ms' }, 'INVALID_QUERY', /`count`/],
      ['a measure without a path', { sum: 5 }, 'INVALID_QUERY', /`sum`/],
      ['a path that no event has', { sum: 'ms' }, 'INVALID_QUERY', /`sum`.*payload/],
      ['a path to a prototype', { by: 'payload.__proto__.x' }, 'INVALID_PATH', /__proto__/],
      ['a measure of a prototype', { avg: 'payload.constructor' }, 'INVALID_PATH', /constructor/],
      ['no paths at all', { by: [] }, 'INVALID_QUERY', /`by`/],
      ['nine paths', { by: Array.from({ length: 9 }, () => 'type') }, 'INVALID_QUERY', /`by`/],
      ['a path that is no text', { by: [3] }, 'INVALID_QUERY', /`by`/],
      ['a top of 0', { top: 0 }, 'INVALID_QUERY', /`top`/],
      ['a top by what is no number', { first: 'type', top: 1 }, 'INVALID_QUERY', /`first`/],
      ['an unknown operator', { where: { type: { $regex: 'x' } } }, 'INVALID_FILTER', /\$regex/],
    ];
    for (const [name, options, code, message] of wrong)
      it(name, async () => {
        const error = await refusal(options);
        expect(error.code).to.equal(code);
        expect(error.message).to.match(message);
      });

    it('more than 10,000 rows, and says what helps', async () => {
      const events = Array.from({ length: 10_001 }, (_, i) => ({ payload: { k: i } }));
      const error = await refusal({ by: 'payload.k' }, events);
      expect(error.code).to.equal('INVALID_QUERY');
      expect(error.message).to.contain('more than 10000 rows').and.contain('bucket');
      const log = await createStore(events);
      expect((await summarize(log, { by: 'payload.k', top: 5 })).rest?.rows).to.equal(9_996);
      const heavy = summarize(log, { count: true, by: 'payload.k', top: 5, p50: 'payload.k' });
      expect((await rejectionOf(heavy)).code).to.equal('INVALID_QUERY');
    });

    it('keys that together are too long', async () => {
      const long = 'x'.repeat(1_000_000);
      const error = await refusal(
        { by: 'payload.k' },
        Array.from({ length: 18 }, (_, i) => ({ payload: { k: `${i}${long}` } })),
      );
      expect(error.message).to.contain('16 MiB');
    });
  });
});

/** How often the event loop turns until the promise is settled. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  const ended = work.then(() => true);
  while (!(await Promise.race([ended, turn()]))) turns++;
  return turns;
}

const WHOLE = { after: 0, through: Infinity, descending: false, limit: 10_000 };

interface Naive {
  readonly key: readonly unknown[];
  readonly from: number;
  readonly events: readonly StoredEvent[];
}

/** The same in the plainest way. */
function byHand(events: readonly StoredEvent[], bucket: number | undefined, top: number | undefined): unknown {
  const groups: Naive[] = [];
  for (const event of events) {
    const key = [event.type, (event.payload as { readonly k?: unknown }).k];
    const from = bucket === undefined ? 0 : event.time - (((event.time % bucket) + bucket) % bucket);
    const known = groups.find((group) => group.from === from && group.key.every((part, i) => part === key[i]));
    if (known) (known.events as StoredEvent[]).push(event);
    else groups.push({ key, from, events: [event] });
  }
  const ranked = groups.toSorted((a, b) => b.events.length - a.events.length);
  const kept = ranked.slice(0, top).toSorted((a, b) => a.from - b.from);
  const rest = ranked.slice(top ?? ranked.length);
  return {
    rows: kept.map((group) => ({
      key: group.key,
      ...(bucket !== undefined && { from: group.from }),
      ...figuresOf(group.events),
    })),
    events: events.length,
    ...(rest.length > 0 && { rest: { rows: rest.length, ...figuresOf(rest.flatMap((group) => group.events)) } }),
  };
}

function figuresOf(unordered: readonly StoredEvent[]): object {
  const events = unordered.toSorted((a, b) => a.position - b.position);
  const values = events.map(({ payload }) => (payload as { readonly n?: unknown }).n);
  const present = values.filter((value) => value !== undefined);
  const numbers = values.filter((value) => typeof value === 'number').toSorted((a, b) => a - b);
  const skipped = values.length - numbers.length;
  return {
    count: events.length,
    ...(numbers.length > 0 && {
      sum: numbers.reduce((sum, value) => sum + value, 0),
      p95: numbers[Math.ceil(numbers.length * 0.95) - 1],
      min: numbers[0],
    }),
    ...(present.length > 0 && { first: present[0], last: present.at(-1) }),
    ...(skipped > 0 && { skipped }),
  };
}
