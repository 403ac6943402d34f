import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import sinon from 'sinon';
import { createVirtualClock } from '../../lib/clock.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import { search, type SearchHit, type SearchOptions } from '../../lib/history/search.ts';
import type { Store } from '../../lib/store/port.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const clock = createVirtualClock();

async function createLog(payloads: readonly unknown[], store: Store = memory()): Promise<Store> {
  await store.open({ clock });
  if (payloads.length > 0)
    await store.append(
      payloads.map((payload, i) => buildEvent({ id: `e${i + 1}`, type: 'note.taken', source: 'desk', payload })),
    );
  return store;
}

async function hitsOf(store: Store, text: string, options?: SearchOptions): Promise<readonly SearchHit[]> {
  const hits: SearchHit[] = [];
  for await (const hit of search(store, text, options)) hits.push(hit);
  return hits;
}

async function foundIn(payloads: readonly unknown[], text: string, options?: SearchOptions): Promise<number[]> {
  const store = await createLog(payloads);
  const hits = await hitsOf(store, text, options);
  await store.close();
  return hits.map(({ event }) => event.position);
}

const present = (event: StoredEvent): StoredEvent => ({ ...event, payload: 'beta', schemaVersion: 2 });

describe('search', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(quickFolder(), 'telltale-search-'))));
  after(() => rmSync(folder, { recursive: true }));

  it('finds parts of words whatever their case, the newest first', async () => {
    expect(await foundIn([{ text: 'Connection TIMEOUT' }, 'no', { a: ['x', { b: 'timeouts' }] }], 'TimeOut')).to.eql([
      3, 1,
    ]);
  });

  it('wants all words, in one text or in several', async () => {
    const payloads = [{ a: 'disk is full', b: 'host alpha' }, { a: 'disk is fine', b: 'host alpha' }, 'full disk'];
    expect(await foundIn(payloads, ' alpha\n full ')).to.eql([1]);
    expect(await foundIn(payloads, 'disk full')).to.eql([3, 1]);
  });

  it('keeps words in quotes together, and takes a lone quote for what it is', async () => {
    const payloads = ['disk full', 'full disk', 'a 5" pipe', 'say "no"'];
    expect(await foundIn(payloads, '"disk full"')).to.eql([1]);
    expect(await foundIn(payloads, '5" pipe')).to.eql([3]);
    expect(await foundIn(payloads, '"no""')).to.eql([]);
    expect(await foundIn(payloads, 'say "no"')).to.eql([4]);
  });

  it('finds numbers as JSON writes them, neither true nor null nor keys', async () => {
    const payloads = [{ status: 404 }, { key404: 1.5 }, { on: true, off: null }];
    expect(await foundIn(payloads, '404')).to.eql([1]);
    expect(await foundIn(payloads, '1.5')).to.eql([2]);
    expect(await foundIn(payloads, 'true')).to.eql([]);
    expect(await foundIn(payloads, 'null')).to.eql([]);
  });

  it('looks into type, entity and payload, or where `in` says', async () => {
    const store = await createLog([{ a: 'x', deep: { a: 'alpha' } }]);
    await store.append([
      buildEvent({ id: 'typed', type: 'disk.failed', entity: 'host/alpha', source: 'alpha-source' }),
    ]);
    const paths = async (text: string, options?: SearchOptions): Promise<readonly string[]> =>
      (await hitsOf(store, text, options)).flatMap(({ matches }) => matches.map(({ path }) => path));
    expect(await paths('DISK.failed')).to.eql(['type']);
    expect(await paths('alpha')).to.eql(['entity', 'payload.deep.a']);
    expect(await paths('alpha', { in: 'source' })).to.eql(['source']);
    expect(await paths('alpha', { in: ['payload.a', 'payload.deep'] })).to.eql(['payload.deep.a']);
    expect(await paths('alpha', { in: 'payload.a' })).to.eql([]);
    expect(await paths('1', { in: 'position' })).to.eql(['position']);
    await store.close();
  });

  it('shows where each word was first found, with the text around it', async () => {
    const long = `${'a '.repeat(50)}Needle${' z'.repeat(50)}`;
    const store = await createLog([{ list: ['hay', long], end: 'the END needle' }]);
    const [hit] = await hitsOf(store, 'end needle');
    expect(hit!.matches.map(({ word, path }) => [word, path])).to.eql([
      ['end', 'payload.end'],
      ['needle', 'payload.list.1'],
    ]);
    const { excerpt, at, length } = hit!.matches[1]!;
    expect(excerpt).to.equal(`…${'a '.repeat(20)}Needle${' z'.repeat(30)}…`);
    expect(excerpt.slice(at, at + length)).to.equal('Needle');
    await store.close();
  });

  it('never cuts a character in two, and finds its place where folding makes a text longer', async () => {
    const store = await createLog([`${'😀'.repeat(30)}İİ Needle ${'😀'.repeat(41)}`, `a${'😀'.repeat(60)}Needle`]);
    for (const { matches } of await hitsOf(store, 'needle')) {
      const { excerpt, at, length } = matches[0]!;
      // A lone half would not survive.
      expect(Buffer.from(excerpt).toString()).to.equal(excerpt);
      expect(excerpt.slice(at, at + length)).to.equal('Needle');
    }
    await store.close();
  });

  it('takes the two small sigmas for one letter', async () => {
    expect(await foundIn(['ΟΔΟΣ', 'οδοσα', 'οδός'], 'οδος')).to.eql([2, 1]);
    expect(await foundIn(['οδος'], 'ΟΔΟΣ')).to.eql([1]);
  });

  it('looks only at what is selected', async () => {
    const store = await createLog(['alpha 1', 'alpha 2', 'alpha 3', 'alpha 4']);
    await store.append([buildEvent({ id: 'other', type: 'other.thing', payload: 'alpha 5' })]);
    const found = async (options: SearchOptions): Promise<number[]> =>
      (await hitsOf(store, 'alpha', options)).map(({ event }) => event.position);
    expect(await found({ from: 2, to: 3 })).to.eql([3, 2]);
    expect(await found({ pattern: 'note.*', direction: 'forward', after: 1 })).to.eql([2, 3, 4]);
    expect(await found({ where: { source: 'desk' }, limit: 2 })).to.eql([4, 3]);
    await store.close();
  });

  it('answers page by page, to the end and in both directions', async () => {
    const store = await createLog(Array.from({ length: 230 }, (_, i) => (i % 2 === 0 ? `even ${i}` : 'odd')));
    for (const direction of ['forward', 'backward'] as const) {
      const positions: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await search(store, 'even', { direction, limit: 30, ...(cursor && { cursor }) });
        positions.push(...page.hits.map(({ event }) => event.position));
        cursor = page.cursor;
      } while (cursor !== undefined);
      const wanted = Array.from({ length: 115 }, (_, i) => 2 * i + 1);
      expect(positions).to.eql(direction === 'forward' ? wanted : wanted.toReversed());
    }
    expect((await search(store, 'even')).hits).to.have.length(100);
    await store.close();
  });

  it('keeps its window while events go on arriving', async () => {
    const store = await createLog(['alpha', 'alpha', 'alpha']);
    const { cursor } = await search(store, 'alpha', { direction: 'forward', limit: 2 });
    await store.append([buildEvent({ id: 'late', payload: 'alpha' })]);
    const { hits } = await search(store, 'alpha', { direction: 'forward', cursor: cursor! });
    expect(hits.map(({ event }) => event.position)).to.eql([3]);
    await store.close();
  });

  it('gives each hit as it is found, before the rest was looked at', async () => {
    const store = await createLog(Array.from({ length: 2_000 }, (_, i) => `alpha ${i}`));
    const page = sinon.spy(store, 'page');
    for await (const { event } of search(store, 'alpha')) {
      expect(event.position).to.equal(2_000);
      break;
    }
    expect(page.callCount).to.equal(1);
    await store.close();
  });

  it('refuses what is no search', async () => {
    const store = await createLog(['alpha']);
    const { cursor } = await search(store, 'alpha', { limit: 1 });
    const cases: readonly (readonly [text: unknown, options: unknown, code: string, part: string])[] = [
      ['', {}, 'INVALID_QUERY', '1 to 30 words'],
      [' \n', {}, 'INVALID_QUERY', '1 to 30 words'],
      [Array.from({ length: 31 }, (_, i) => i).join(' '), {}, 'INVALID_QUERY', '1 to 30 words'],
      ['x'.repeat(4_097), {}, 'INVALID_QUERY', 'at most 4096 characters'],
      [7, {}, 'INVALID_QUERY', 'the text of `search`'],
      ['a', { in: [] }, 'INVALID_QUERY', '`in` of search'],
      ['a', { in: 7 }, 'INVALID_QUERY', '`in` of search'],
      ['a', { in: 'colour' }, 'INVALID_QUERY', 'a path in `in` of search'],
      ['a', { in: [null] }, 'INVALID_PATH', 'a path'],
      ['a', { in: 'payload.__proto__.x' }, 'INVALID_PATH', '__proto__'],
      ['a', { order: 'time' }, 'INVALID_QUERY', '`order` is not an option of search'],
      ['a', { limit: 0 }, 'INVALID_QUERY', '`limit`'],
      ['a', { direction: 'up' }, 'INVALID_QUERY', '`direction`'],
      ['beta', { cursor }, 'INVALID_CURSOR', 'a cursor of this very query'],
      ['alpha', { cursor, in: 'payload' }, 'INVALID_CURSOR', 'a cursor of this very query'],
      ['alpha', { from: 9, to: 3 }, 'INVALID_QUERY', 'ends after it starts'],
      ['alpha', { where: { 'payload.a': { $regex: '' } } }, 'INVALID_FILTER', '$regex'],
    ];
    for (const [text, options, code, part] of cases) {
      const error = await rejectionOf(Promise.resolve(search(store, text as string, options as SearchOptions)));
      expect(error, part).to.have.property('code', code);
      expect(error).to.have.property('message').that.includes(part);
    }
    await store.close();
  });

  it('ends when it is aborted', async () => {
    const store = await createLog(['alpha']);
    const error = await rejectionOf(Promise.resolve(search(store, 'alpha', { signal: AbortSignal.abort() })));
    expect(error).to.have.property('code', 'ABORTED');
    await store.close();
  });

  it('lets the event loop turn when it has held it for some milliseconds', async () => {
    const store = await createLog(Array.from({ length: 100 }, (_, i) => ({ i })));
    let now = 0;
    const stub = sinon.stub(performance, 'now').callsFake(() => now++);
    let turns = 0;
    const count = (): void => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await hitsOf(store, 'nothing');
    clearImmediate(timer);
    stub.restore();
    // A millisecond goes by with each event.
    expect(turns).to.be.within(10, 50);
    await store.close();
  });

  it('survives payloads as deep as a store takes, and wide ones', async () => {
    let deep: unknown = 'needle';
    for (let i = 0; i < 98; i++) deep = i % 2 === 0 ? [deep] : { deep };
    expect(await foundIn([deep, Array.from({ length: 50_000 }, () => 'hay')], 'needle')).to.eql([1]);
  });

  const alphabet = fc.constantFrom('a', 'B', 'ß', 'İ', 'é', '1', '2', ' ', '"', 'Σ', '😀');
  const texts = fc.array(alphabet, { maxLength: 6 }).map((letters) => letters.join(''));
  const payloads = fc.array(
    fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        texts,
        fc.integer({ min: 0, max: 30 }),
        fc.boolean(),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b1', 'C'), tie('value'), { maxKeys: 3 }),
      ),
    })).value,
    { minLength: 1, maxLength: 12 },
  );
  const words = fc.array(
    fc.array(fc.constantFrom('a', 'b', 'B', 'SS', 'ß', 'i̇', 'İ', '1', '2', '😀'), { minLength: 1, maxLength: 3 }),
    { minLength: 1, maxLength: 3 },
  );

  /** All texts of a value, by recursion: the plain way, which the search must not go. */
  const textsIn = (value: unknown): readonly string[] => {
    if (typeof value === 'string' || typeof value === 'number') return [String(value)];
    return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
  };

  for (const [name, create] of [
    ['memory', (): Store => memory()],
    ['json-file', (): Store => jsonFile(mkdtempSync(join(folder, 'log-')))],
  ] as const)
    it(`agrees with looking at everything by hand, ${name}`, async function () {
      this.timeout(30_000);
      await fc.assert(
        fc.asyncProperty(payloads, words, async (given, wanted) => {
          const store = await createLog(given, create());
          const asked = wanted.map((letters) => letters.join(''));
          const expected = given.flatMap((payload, i) => {
            const known = ['note.taken', ...textsIn(payload)].map((text) => text.toLowerCase());
            return asked.every((word) => known.some((text) => text.includes(word.toLowerCase()))) ? [i + 1] : [];
          });
          const hits = await hitsOf(store, asked.join(' '), { direction: 'forward' });
          expect(hits.map(({ event }) => event.position)).to.eql(expected);
          for (const { matches } of hits)
            for (const { word, excerpt, at, length } of matches)
              expect(excerpt.slice(at, at + length).toLowerCase()).to.include(word);
          await store.close();
        }),
        { numRuns: name === 'memory' ? 300 : 30 },
      );
    });

  it('shows events through the presenter, and has searched them as they are stored', async () => {
    const store = await createLog(['alpha']);
    const { hits } = await search(store, 'alpha', {}, { present });
    expect(hits[0]!.event).to.include({ payload: 'beta', schemaVersion: 2 });
    expect(hits[0]!.matches[0]!.excerpt).to.equal('alpha');
    expect((await search(store, 'beta', {}, { present })).hits).to.eql([]);
    await store.close();
  });
});
