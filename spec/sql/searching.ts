import { expect } from 'chai';
import fc from 'fast-check';
import { search } from '../../lib/history/search.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';

/** A store with an index of texts, as each of them is opened. */
export interface Searched {
  /** A new log. */
  readonly open: (search: boolean) => Promise<SearchedStore>;
  /** The same log by another store beside it. */
  readonly beside: (store: Store, search: boolean) => Promise<SearchedStore>;
  readonly clean: (store: Store) => unknown;
  /** How many entries the index has, whatever they are. */
  readonly entries: (store: Store) => Promise<number>;
  /** From now on the database refuses a block, or none. */
  readonly refuse: (store: Store, block: number | undefined) => unknown;
  /** Leaves nothing of a payload that could be read. */
  readonly damage: (store: Store, position: number) => unknown;
}

/** Resolves when the index has what it can have. */
export type SearchedStore = Store & { idle(): Promise<void> };

const BLOCK = 512;
const WORDS = [
  'Heliotrope',
  'STRAẞE',
  'İstanbul',
  'ΟΔΥΣΣΕΥΣ',
  'σοφός',
  '日本語の文',
  '😀😁😂',
  'a"b"c',
  '12.5e3',
  'Kelvin',
  'ﬁnal',
  'Ǆungla',
  '\u0130\u0131',
  'x y',
  'مرحبا بالعالم',
  '\u202eשלום\u202c',
  'e\u0301te\u0301',
  '👩‍👩‍👧‍👦🏳️‍🌈',
  '\ufffd\uffff\u{10ffff}',
  `'; DROP TABLE "x" -- \\%_*?&|!:<->`,
];

/** Anything else is refused by every store. */
const isTaken = (text: string): boolean => !/[\0\p{Surrogate}]/u.test(text);

// As `unit: 'binary'`, for which fast-check keeps a table of all there are.
const anything = fc
  .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 6 })
  .map((codes) => String.fromCodePoint(...codes));

const pieces = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.string({ unit: 'grapheme', maxLength: 6 }).filter(isTaken),
  anything.filter(isTaken),
  fc.string({ maxLength: 8 }),
);
const payloads = fc.oneof(
  fc.array(pieces, { maxLength: 4 }).map((all) => all.join(' ')),
  fc.record({
    text: pieces,
    n: fc.double({ noNaN: true, noDefaultInfinity: true }),
    more: fc.array(pieces, { maxLength: 3 }),
  }),
  fc.integer(),
);

async function hits(store: Store, text: string, options = {}): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { event } of search(store, text, options)) found.push(event.position);
  return found;
}

const plain = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) =>
    buildEvent({ id: `p${from + i}`, payload: { text: `nothing of interest ${from + i}` } }),
  );
const cost = (store: Store, text: string, options = {}) => search(store, text, options).explain();

/** Defines what must hold in any store. */
export function itSearches({ open, beside, clean, entries, refuse, damage }: Searched): void {
  const opened: Store[] = [];
  const used = (store: SearchedStore): SearchedStore => {
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened) await store.close();
    if (opened[0]) await clean(opened[0]);
    opened.length = 0;
  });
  it('finds what looking at everything finds, whatever is searched', async function () {
    this.timeout(120_000);
    const store = used(await open(true));
    // Has no index, and looks at everything.
    const all = memory();
    await all.open();
    const given = fc.sample(payloads, { numRuns: 3 * BLOCK, seed: 7 });
    for (let at = 0; at < given.length; at += BLOCK) {
      const events = given.slice(at, at + BLOCK).map((payload, i) => buildEvent({ id: `e${at + i}`, payload }));
      await store.append(events);
      await all.append(events);
    }
    await store.idle();
    const parts = fc.tuple(
      fc.constantFrom(...WORDS, ...given.filter((one) => typeof one === 'string')),
      fc.nat(),
      fc.nat(12),
    );
    const word = parts.map(([text, at, length]) => text.slice(at % text.length, (at % text.length) + length + 1));
    const questions = fc
      .tuple(fc.array(word, { minLength: 1, maxLength: 2 }), fc.constantFrom('forward', 'backward'), fc.boolean())
      .map(([words, direction, upper]) => ({
        text: upper ? words.join(' ').toUpperCase() : words.join(' '),
        direction,
      }))
      .filter(({ text }) => text.trim() !== '');
    await fc.assert(
      fc.asyncProperty(questions, async ({ text, direction }) => {
        expect(await hits(store, text, { direction })).to.deep.equal(await hits(all, text, { direction }));
      }),
      { numRuns: 120 },
    );
    await all.close();
  });

  it('reads only what may have the words', async () => {
    const store = used(await open(true));
    await store.append([...plain(BLOCK - 1), buildEvent({ id: 'h', payload: { deep: ['a HELIOTROPE'] } })]);
    await store.append(plain(BLOCK, BLOCK));
    await store.idle();
    expect(store.supports.pushdown).to.include('words');
    expect(await hits(store, 'heliotrope')).to.deep.equal([BLOCK]);
    expect(await cost(store, 'heliotrope')).to.include({ index: 'search', scanned: 1, matched: 1 });
    expect(await cost(store, 'liotro nowhere')).to.include({ scanned: 0, matched: 0 });
    expect(await hits(store, 'heliotrope', { in: 'payload.deep' })).to.deep.equal([BLOCK]);
    expect(await hits(store, 'heliotrope', { where: { id: 'p1' } })).to.deep.equal([]);
  });

  it('reads everything where words are short or fields have no index', async () => {
    const store = used(await open(true));
    await store.append([...plain(BLOCK - 1), buildEvent({ id: 'h', source: 'heliotrope', payload: 'zq' })]);
    await store.idle();
    expect(await hits(store, 'zq')).to.deep.equal([BLOCK]);
    expect(await hits(store, 'heliotrope', { in: ['source', 'payload'] })).to.deep.equal([BLOCK]);
  });

  it('takes an event with more than 256 kB of text for a candidate', async () => {
    const store = used(await open(true));
    const text = `${'lorem ipsum '.repeat(30_000)}heliotrope`;
    await store.append([...plain(BLOCK - 1), buildEvent({ id: 'h', payload: text })]);
    await store.idle();
    expect(await hits(store, 'heliotrope')).to.deep.equal([BLOCK]);
    expect(await cost(store, 'nowhere')).to.include({ index: 'search', scanned: 1, matched: 0 });
  });

  it('takes whatever text there is, and finds it', async function () {
    this.timeout(60_000);
    const store = used(await open(true));
    const distinct = Array.from({ length: 100_000 }, (_, i) => `w${(i * 7_919).toString(36)}`);
    const large: readonly (readonly [text: string, asked: string])[] = [
      [distinct.join('').slice(0, 1_048_576), distinct.slice(50_000, 50_003).join('')],
      [distinct.join(' '), distinct[99_999]!],
      ['👍🏽'.repeat(100_000), '👍🏽👍🏽'],
      [`${'\u0301'.repeat(100_000)}end`, '\u0301end'],
    ];
    const given = [...large, ...WORDS.map((word): [string, string] => [`${word} ${word}`, word])];
    const events = given.map(([payload], i) => buildEvent({ id: `t${i}`, payload }));
    const all = memory();
    await all.open();
    for (const to of [store, all]) {
      for (const event of events) await to.append([event]);
      await to.append(plain(BLOCK - given.length));
    }
    await store.idle();
    expect(store.health().notices).to.deep.equal([]);
    for (const [i, [, asked]] of given.entries()) {
      // What is large is looked through for every word, which takes its time.
      const options = { after: i < large.length ? 0 : large.length };
      const found = await hits(store, asked, options);
      expect(found).to.include(i + 1);
      expect(found).to.deep.equal(await hits(all, asked, options));
    }
    await all.close();
    expect(await cost(store, 'heliotrope')).to.include({ index: 'search' });
    for (const text of ['half of \ud83d', 'with\0nul']) {
      expect((await rejectionOf(store.append([buildEvent({ payload: text })]))).code).to.match(/^PAYLOAD_/);
      expect(await hits(store, text)).to.deep.equal([]);
    }
  });

  it('does without a block that cannot be written, says so, and tries again when it is opened', async () => {
    const store = used(await open(true));
    await refuse(store, 1);
    await store.append(plain(3 * BLOCK));
    await store.idle();
    expect(store.health().notices.join()).to.match(
      /^the index of texts could not be written for positions 513 to 1024: /,
    );
    expect(await cost(store, 'nowhere')).to.include({ index: 'search', scanned: BLOCK });
    await refuse(store, undefined);
    await store.close();
    await store.open();
    await store.idle();
    expect(await cost(store, 'nowhere')).to.include({ scanned: 0 });
  });

  it('has what is damaged for a candidate, so that a search tells of it', async () => {
    const before = used(await open(false));
    await before.append(plain(2 * BLOCK));
    await damage(before, 3);
    const store = used(await beside(before, true));
    await store.idle();
    expect(store.health().notices).to.deep.equal([]);
    expect(await hits(store, '999 interest', { after: BLOCK })).to.deep.equal([1_000]);
    const failed = await hits(store, 'nowhere').then(
      () => 'nothing',
      () => 'told',
    );
    expect(failed).to.equal('told');
  });

  it('is written for a log that is there already, and for what follows, without the last events', async () => {
    const before = used(await open(false));
    await before.append(plain(2 * BLOCK));
    const store = used(await beside(before, true));
    await store.idle();
    expect(await cost(store, 'nowhere')).to.include({ index: 'search', scanned: 0 });
    await store.append(plain(BLOCK + 3, 2 * BLOCK));
    await store.idle();
    expect(await cost(store, 'nowhere')).to.include({ scanned: 3 });
  });

  it('finds what is rewritten while its block is being written', async () => {
    const before = used(await open(false));
    // So much text that it takes a while.
    const large = plain(BLOCK).map((event, i) => ({ ...event, payload: `${i} ${'0123456789 '.repeat(200)}` }));
    await before.append(large);
    const [first] = (await before.page({ after: 0, through: 1, descending: false, limit: 1 })).events;
    const store = used(await beside(before, true));
    await store.rewrite([{ ...first!, payload: 'a marigold' }]);
    await store.idle();
    expect(await hits(store, 'marigold')).to.deep.equal([1]);
    expect(await cost(store, 'nowhere')).to.include({ index: 'search', scanned: 0 });
  });

  it('forgets what is removed, and finds what is rewritten, whoever does it', async () => {
    const store = used(await open(true));
    await store.append([...plain(2 * BLOCK - 1), ...buildEvents(1, { id: 'h', payload: 'heliotrope' })]);
    await store.idle();
    const other = used(await beside(store, false));
    const [last] = (await other.page({ after: 2 * BLOCK - 1, through: 2 * BLOCK, descending: false, limit: 1 })).events;
    await other.rewrite([{ ...last!, payload: 'a marigold' }]);
    expect(await hits(store, 'marigold')).to.deep.equal([2 * BLOCK]);
    await other.remove(
      [
        { from: 1, to: BLOCK },
        { from: 2 * BLOCK, to: 2 * BLOCK },
      ],
      'test',
    );
    expect(await entries(store)).to.equal(0);
    expect(await hits(store, 'marigold')).to.deep.equal([]);
    expect(await hits(store, 'interest')).to.have.length(BLOCK - 1);
    await store.append(plain(BLOCK, 2 * BLOCK));
    await store.idle();
    expect(await cost(store, 'nowhere')).to.include({ scanned: 0 });
    expect(await entries(store)).to.be.above(0);
  });
}
