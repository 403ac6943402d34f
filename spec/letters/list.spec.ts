import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import type { Letter } from '../../lib/letters/letter.ts';
import { openLetterPositions } from '../../lib/store/open-letters.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { quietBus } from './quiet-bus.ts';

const LETTERS = 30_000;

const payloadsOf = async (bus: { get(id: string): Promise<unknown> }, letters: readonly Letter[]) => {
  const events = await Promise.all(letters.map(({ eventId }) => bus.get(eventId)));
  return events.map((event) => (event as { payload: unknown }).payload);
};

/** Ten letters: `a` 0 to 5 by one subscription, `b.c` 6 to 9 by another; one second apart. */
const tenLetters = async () => {
  const test = await quietBus();
  const broken = { value: true };
  const handler = (): void => {
    if (broken.value) throw new Error('no');
  };
  test.bus.on('a', handler);
  test.bus.on('b.*', handler);
  for (let i = 0; i < 10; i++) {
    test.bus.emit(i < 6 ? 'a' : 'b.c', i);
    await test.clock.advance(1_000);
  }
  await test.bus.flush();
  return { ...test, broken };
};

describe('deadLetters.list', () => {
  it('has what failed before, although its event and its letter are still being written', async () => {
    const { bus } = await quietBus();
    bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', 1);
    await bus.settled();
    expect(await payloadsOf(bus, await bus.deadLetters.list())).to.deep.equal([1]);
    await bus.close();
  });

  it('selects by recipient, pattern, reason, correlation, filter and time', async () => {
    const { bus, clock } = await tenLetters();
    const list = async (query: object): Promise<unknown> => payloadsOf(bus, await bus.deadLetters.list(query));
    expect(await list({ recipient: 'b.*' })).to.deep.equal([9, 8, 7, 6]);
    expect(await list({ pattern: 'b.**' })).to.deep.equal([9, 8, 7, 6]);
    expect(await list({ pattern: 'b.c', limit: 1 })).to.deep.equal([9]);
    expect(await list({ reason: 'handler-failed' })).to.have.length(10);
    expect(await list({ reason: ['refused', 'cut'] })).to.deep.equal([]);
    const [letter] = await bus.deadLetters.list();
    expect(await list({ correlationId: letter!.correlationId })).to.deep.equal([9]);
    expect(await list({ where: { 'payload.error.message': 'no', 'payload.eventType': 'b.c' } })).to.have.length(4);
    expect(await list({ from: new Date(clock.now() - 3_000) })).to.deep.equal([9, 8, 7]);
    expect(await list({ to: { ago: '8s' } })).to.deep.equal([2, 1, 0]);
  });

  it('tells the open ones unless another state is asked for', async () => {
    const { bus, broken } = await tenLetters();
    broken.value = false;
    await bus.deadLetters.retry({ recipient: 'b.*' });
    const [letter] = await bus.deadLetters.list({ limit: 1 });
    expect(await bus.deadLetters.discard(letter!.id, { reason: 'not needed' })).to.deep.equal({
      discarded: 1,
      skipped: 0,
      more: false,
    });
    const list = async (state: string): Promise<unknown> =>
      payloadsOf(bus, await bus.deadLetters.list({ state } as object));
    expect(await list('open')).to.deep.equal([4, 3, 2, 1, 0]);
    expect(await list('closed')).to.deep.equal([9, 8, 7, 6]);
    expect(await list('discarded')).to.deep.equal([5]);
    expect(await list('abandoned')).to.deep.equal([]);
    expect(await list('all')).to.deep.equal([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    const discarded = await bus.deadLetters.get(letter!.id);
    expect(discarded!.history[0]).to.include({ what: 'discarded', reason: 'not needed' });
    expect(await bus.deadLetters.discard({ state: 'all' })).to.include({ discarded: 5, skipped: 5 });
    expect(await list('open')).to.deep.equal([]);
  });

  it('goes on behind a letter', async () => {
    const { bus } = await tenLetters();
    const seen: unknown[] = [];
    let before: string | undefined;
    for (;;) {
      const page = await bus.deadLetters.list({ limit: 3, ...(before !== undefined && { before }) });
      if (page.length === 0) break;
      seen.push(await payloadsOf(bus, page));
      before = page.at(-1)!.id;
    }
    expect(seen).to.deep.equal([[9, 8, 7], [6, 5, 4], [3, 2, 1], [0]]);
    expect((await rejectionOf(bus.deadLetters.list({ before: 'none' }))).code).to.equal('INVALID_CURSOR');
  });

  it('goes on behind a letter in memory too', async () => {
    const clock = createVirtualClock();
    const bus = await createBus({ clock });
    bus.on('$bus.**', () => undefined);
    bus.on('a', () => {
      throw new Error('no');
    });
    for (let i = 0; i < 5; i++) bus.emit('a', i);
    const all = await bus.deadLetters.list();
    const rest = await bus.deadLetters.list({ before: all[1]!.id });
    expect(rest).to.deep.equal(all.slice(2));
    await bus.deadLetters.discard(rest.map(({ id }) => id));
    expect(await bus.deadLetters.list()).to.deep.equal(all.slice(0, 2));
    expect(await bus.deadLetters.list({ state: 'discarded', from: new Date(clock.now()) })).to.have.length(3);
    expect((await rejectionOf(bus.deadLetters.list({ from: 3 }))).code).to.equal('STORE_REQUIRED');
  });

  it('knows retries of letters that are in memory only', async () => {
    const bus = await createBus({ clock: createVirtualClock() });
    bus.on('$bus.**', () => undefined);
    const seen: unknown[] = [];
    let broken = true;
    bus.on('a', ({ payload }) => {
      if (broken) throw new Error('no');
      seen.push(payload);
    });
    bus.emit('a', { n: 1 });
    await bus.deadLetters.retry({});
    expect((await bus.deadLetters.list())[0]).to.include({ retries: 1, state: 'open' });
    broken = false;
    await bus.deadLetters.retry({});
    expect(seen).to.deep.equal([{ n: 1 }]);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    expect((await bus.deadLetters.list({ state: 'all' }))[0]).to.include({ retries: 2, state: 'closed' });
  });

  it('refuses what it cannot mean', async () => {
    const { bus } = await quietBus();
    const refusals: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['INVALID_OPTION', () => bus.deadLetters.list({ state: 'lost' } as never)],
      ['INVALID_OPTION', () => bus.deadLetters.list({ reason: 'why' } as never)],
      ['INVALID_OPTION', () => bus.deadLetters.list({ recipient: 7 } as never)],
      ['INVALID_OPTION', () => bus.deadLetters.list({ before: 7 } as never)],
      ['INVALID_PATTERN', () => bus.deadLetters.list({ pattern: 'a..b' })],
      ['INVALID_FILTER', () => bus.deadLetters.list({ where: { recipient: 'a' } })],
      ['INVALID_PATH', () => bus.deadLetters.list({ where: { 'payload.__proto__': 1 } })],
      ['INVALID_PLACE', () => bus.deadLetters.list({ from: 'yesterday' } as never)],
      ['INVALID_OPTION', () => bus.deadLetters.retry(7 as never)],
      ['INVALID_OPTION', () => bus.deadLetters.retry([7] as never)],
      ['INVALID_OPTION', () => bus.deadLetters.retry({ limit: 1 } as never)],
      ['INVALID_OPTION', () => bus.deadLetters.retry({}, { limit: 0 })],
      ['INVALID_OPTION', () => bus.deadLetters.retry({}, { concurrency: 1.5 })],
      ['INVALID_OPTION', () => bus.deadLetters.retry({}, { retry: { attempts: 0 } })],
      ['INVALID_OPTION', () => bus.deadLetters.retry({}, { signal: 1 } as never)],
      ['INVALID_OPTION', () => bus.deadLetters.discard({}, { reason: 7 } as never)],
      ['INVALID_OPTION', () => bus.deadLetters.discard({}, { why: 'x' } as never)],
    ];
    for (const [code, refused] of refusals) expect((await rejectionOf(refused())).code).to.equal(code);
  });

  it('lists 30,000 letters page by page, holding the loop for no page', async function () {
    this.timeout(60_000);
    const store = memory({ capacity: 100_000 });
    await store.open();
    const time = Date.UTC(2026, 0, 1);
    for (let i = 0; i < 30; i++) {
      const events = Array.from({ length: 1_000 }, (_, j) => letterEvent(`l${i * 1_000 + j}`, time + i));
      await store.append(events);
    }
    const { bus } = await quietBus({ store });
    let seen = 0;
    let turns = 0;
    const look = (): void => {
      turns++;
      if (seen < LETTERS) setImmediate(look);
    };
    setImmediate(look);
    let before: string | undefined;
    for (;;) {
      const page = await bus.deadLetters.list({ limit: 3_000, ...(before !== undefined && { before }) });
      seen += page.length;
      if (page.length < 3_000) break;
      before = page.at(-1)!.id;
    }
    expect(seen).to.equal(LETTERS);
    expect(turns).to.be.greaterThan(20);
  });
});

describe('dead letters in a log', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(quickFolder(), 'telltale-letters-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('keep their states and histories across a restart', async () => {
    const first = await quietBus({ store: jsonFile(folder) });
    let broken = true;
    first.bus.on('a', () => {
      if (broken) throw new Error('no');
    });
    for (let i = 0; i < 4; i++) first.bus.emit('a', i);
    await first.bus.flush();
    const [d, c, b] = (await first.bus.deadLetters.list()) as [Letter, Letter, Letter];
    await first.bus.deadLetters.retry(b.id);
    broken = false;
    await first.bus.deadLetters.retry(c.id);
    await first.bus.deadLetters.discard(d.id, { reason: 'x' });
    const before = await first.bus.deadLetters.list({ state: 'all' });
    await first.bus.close();
    const { bus, store } = await quietBus({ store: jsonFile(folder) });
    expect(await bus.deadLetters.list({ state: 'all' })).to.deep.equal(before);
    expect(before.map(({ state, retries }) => [state, retries])).to.deep.equal([
      ['discarded', 0],
      ['closed', 1],
      ['open', 1],
      ['open', 0],
    ]);
    expect(await openLetterPositions(store)).to.deep.equal([1, 2]);
    bus.on('a', () => undefined);
    await bus.deadLetters.retry({}, { limit: 1 });
    expect(await openLetterPositions(store)).to.deep.equal([2]);
    await bus.close();
  });

  it('are open no longer when their own events were removed', async () => {
    const { bus, store } = await quietBus();
    bus.on('a', () => {
      throw new Error('no');
    });
    for (let i = 0; i < 3; i++) {
      bus.emit('a', i);
      await bus.flush();
    }
    expect(await openLetterPositions(store)).to.deep.equal([1, 3, 5]);
    await store.remove([{ from: 3, to: 4 }], 'test');
    expect(await openLetterPositions(store)).to.deep.equal([1, 5]);
    expect(await bus.deadLetters.list()).to.have.length(2);
  });

  it('are refused options that contradict themselves at the start', async () => {
    const bad = [{ retry: 7 }, { retry: { every: 0 } }, { retry: { attempts: 0 } }, { retry: { foo: 1 } }, { foo: 1 }];
    for (const deadLetters of bad)
      expect((await rejectionOf(createBus({ deadLetters } as never))).code).to.equal('INVALID_OPTION');
  });
});

function letterEvent(id: string, time: number) {
  const letter = {
    id,
    reason: 'handler-failed',
    time,
    eventId: `e${id}`,
    eventType: 'a',
    correlationId: 'c',
    position: 1,
    recipient: 'a',
    attempts: 1,
    error: { name: 'Error', message: 'no' },
    count: 1,
  };
  const entity = `$dead-letters/${id}`;
  const stamp = { id, type: '$dead-letter.opened', source: 's', time, entity, correlationId: 'c' };
  return { ...stamp, schemaVersion: 1, payload: letter, metadata: {} };
}
