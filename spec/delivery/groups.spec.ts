import { expect } from 'chai';
import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import type { Consumer } from '../../lib/consuming-api.ts';
import { createBus, fileTarget, memory, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { viewOfShared } from '../support/shared-views.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

const KEYS = 40;

async function fill(bus: Bus, count: number, from = 0): Promise<void> {
  const batch = bus.batch();
  for (let n = from; n < from + count; n++) batch.add('a', n, { entity: `n/${n % KEYS}` });
  await batch.commit();
}

/** Who handled what, and whether each key was handled in order. */
class Seen {
  readonly by = new Map<string, number[]>();
  readonly all: number[] = [];
  readonly #last = new Map<string, number>();
  disorders = 0;

  readonly handler =
    (member: string) =>
    ({ payload, entity, position }: StoredEvent): void => {
      this.all.push(payload as number);
      this.by.set(member, [...(this.by.get(member) ?? []), payload as number]);
      if (position < (this.#last.get(entity!) ?? 0)) this.disorders++;
      this.#last.set(entity!, position);
    };

  /** Every number from 0 was handled; answers how many more than once. */
  repeated(count: number): number {
    expect(new Set(this.all).size).to.equal(count);
    return this.all.length - count;
  }
}

const options = { key: 'entity', group: true } as const;
const sizes = (...members: Consumer[]): number[] => members.map(({ partitions }) => partitions.length);

describe('a group of consumers in one process', () => {
  refuseUnhandledRejections();

  it('divides the events by key, and divides them anew when a member joins or leaves, each exactly once', async () => {
    const bus = await createBus({ store: memory() });
    const seen = new Seen();
    const one = bus.consume('g', 'a', seen.handler('one'), options);
    await one.started;
    await fill(bus, 400);
    await bus.settled();
    const two = bus.consume('g', 'a', seen.handler('two'), options);
    await turnsUntil(() => two.partitions.length === 32 && one.partitions.length === 32);
    await fill(bus, 400, 400);
    await bus.settled();
    const three = bus.consume('g', 'a', seen.handler('three'), options);
    await turnsUntil(() => three.partitions.length >= 21);
    await bus.settled();
    expect(sizes(one, two, three).toSorted((x, y) => x - y)).to.deep.equal([21, 21, 22]);
    expect([one, two, three].flatMap(({ partitions }) => partitions).toSorted((x, y) => x - y)).to.deep.equal(
      Array.from({ length: 64 }, (_, i) => i),
    );
    await fill(bus, 400, 800);
    await bus.settled();
    expect(seen.by.get('three')!.length).to.be.above(50);
    await two.stop();
    await turnsUntil(() => one.partitions.length + three.partitions.length === 64);
    await fill(bus, 400, 1_200);
    await bus.settled();
    expect([seen.repeated(1_600), seen.disorders]).to.deep.equal([0, 0]);
    expect(seen.by.get('two')!.every((n) => n < 1_200)).to.equal(true);
    expect((await bus.consumers.list())[0]).to.include({ members: 2, status: 'running' });
    await bus.close();
  });

  it('hands a partition over when what runs for it has ended, and nothing of it is done twice', async () => {
    const bus = await createBus({ store: memory() });
    await fill(bus, 200);
    const gate = createGate();
    const seen = new Seen();
    const slow = seen.handler('one');
    const one = bus.consume(
      'g',
      'a',
      async (event) => {
        await gate.promise;
        slow(event);
      },
      options,
    );
    await turnsUntil(() => bus.metrics().consumers[0]!.running === 16);
    const two = bus.consume('g', 'a', seen.handler('two'), options);
    for (let i = 0; i < 50; i++) await turn();
    // Partitions for which nothing runs go at once, the others wait.
    expect(two.partitions.length).to.be.within(10, 31);
    gate.open();
    await turnsUntil(() => two.partitions.length === 32 && one.partitions.length === 32);
    await bus.settled();
    expect([seen.repeated(200), seen.disorders]).to.deep.equal([0, 0]);
    await bus.close();
  });

  it('spreads events without a key by their id', async () => {
    const bus = await createBus({ store: memory() });
    const seen = new Seen();
    const members = ['one', 'two', 'three'].map((name) => bus.consume('g', 'a', seen.handler(name), { group: true }));
    await turnsUntil(() => members.every(({ partitions }) => partitions.length >= 21));
    await fill(bus, 300);
    await bus.settled();
    expect(seen.repeated(300)).to.equal(0);
    for (const name of ['one', 'two', 'three']) expect(seen.by.get(name)!.length).to.be.above(60);
    await bus.close();
  });

  it('gives batches of one partition', async () => {
    const bus = await createBus({ store: memory() });
    const seen = new Seen();
    const handle = seen.handler('one');
    bus.consume(
      'g',
      'a',
      async (events) => {
        expect(events.length).to.be.at.most(5);
        await turn();
        events.forEach(handle);
      },
      { ...options, batch: { max: 5 } },
    );
    await fill(bus, 500);
    await bus.settled();
    expect([seen.repeated(500), seen.disorders]).to.deep.equal([0, 0]);
    await bus.close();
  });

  it('is rewound as a whole', async () => {
    const bus = await createBus({ store: memory() });
    const seen = new Seen();
    const one = bus.consume('g', 'a', seen.handler('one'), options);
    const two = bus.consume('g', 'a', seen.handler('two'), options);
    await fill(bus, 100);
    await turnsUntil(() => two.partitions.length === 32);
    await bus.settled();
    await one.rewind('earliest');
    await turnsUntil(() => seen.all.length === 200);
    await bus.settled();
    expect([seen.repeated(100), sizes(one, two)]).to.deep.equal([100, [32, 32]]);
    await bus.close();
  });

  it('goes on at the checkpoint of each partition after a restart', async () => {
    const store = memory();
    await store.open();
    const seen = new Seen();
    for (const from of [0, 100, 200]) {
      const bus = await createBus({ store: viewOfShared(store) });
      const member = bus.consume('g', 'a', seen.handler(`from ${from}`), options);
      await member.started;
      await fill(bus, 100, from);
      await bus.settled();
      await bus.close();
    }
    expect([seen.repeated(300), seen.disorders]).to.deep.equal([0, 0]);
  });

  it('refuses a member that would do something else, and one that is no member', async () => {
    const bus = await createBus({ store: memory() });
    bus.consume('g', 'a', () => undefined, options);
    for (const [pattern, other] of [
      ['b', options],
      ['a', { ...options, key: 'id' }],
      ['a', { ...options, where: { payload: 1 } }],
      ['a', { key: 'entity' }],
      ['a', { ...options, key: ({ entity }: { readonly entity?: string }) => entity }],
      ['a', { ...options, batch: { max: 2 } as unknown as undefined }],
      ['a', { ...options, checkpointIn: fileTarget('./never-written.json', 0) as never }],
    ] as const)
      expect(() => bus.consume('g', pattern, () => undefined, other))
        .to.throw()
        .with.property('code', 'INVALID_OPTION');
    await bus.close();
  });
});

describe('a group of consumers in several processes', () => {
  refuseUnhandledRejections();
  let store: Store;
  let clock: VirtualClock;
  const buses: Bus[] = [];

  beforeEach(async () => {
    clock = createVirtualClock();
    store = memory();
    await store.open({ clock });
  });
  afterEach(async () => {
    const closing = buses.splice(0).map((bus) => bus.close().catch(() => undefined));
    await clock.advance(10_000);
    await Promise.all(closing);
  });

  /** A process: its own bus, and a view of the store that can be cut off. */
  async function startProcess(name: string) {
    const view = viewOfShared(store);
    let frozen = createGate();
    frozen.open();
    const guarded = new Proxy(view, {
      get(target, key) {
        const member: unknown = Reflect.get(target, key);
        if (key !== 'putDocument' || typeof member !== 'function') return member;
        return async (...given: unknown[]): Promise<unknown> => {
          await frozen.promise;
          return (member as (...args: unknown[]) => Promise<unknown>)(...given);
        };
      },
    });
    const bus = await createBus({ source: name, store: guarded, clock, closeTimeout: '1s' });
    bus.on('$bus.consumer.**', () => undefined);
    buses.push(bus);
    return { bus, freeze: () => void (frozen = createGate()), thaw: () => frozen.open() };
  }

  /** A look at the log comes with time; what it finds is handled in as many turns as that takes. */
  async function settle(seen: Seen, count: number): Promise<void> {
    await clock.advance(1_000);
    await turnsUntil(() => seen.all.length >= count);
  }

  it('is divided anew when a member joins, leaves, and dies without a word', async () => {
    const seen = new Seen();
    const [a, b, c] = [await startProcess('a'), await startProcess('b'), await startProcess('c')];
    const one = a.bus.consume('g', 'a', seen.handler('one'), options);
    await one.started;
    const two = b.bus.consume('g', 'a', seen.handler('two'), options);
    await clock.advance(20_000);
    expect(sizes(one, two)).to.deep.equal([32, 32]);
    await fill(a.bus, 200);
    await settle(seen, 200);
    const three = c.bus.consume('g', 'a', seen.handler('three'), options);
    await clock.advance(20_000);
    expect(sizes(one, two, three).toSorted((x, y) => x - y)).to.deep.equal([21, 21, 22]);
    await fill(a.bus, 200, 200);
    await settle(seen, 400);
    await two.stop();
    await clock.advance(20_000);
    expect(sizes(one, three)).to.deep.equal([32, 32]);
    expect([seen.repeated(400), seen.disorders]).to.deep.equal([0, 0]);
    // It writes nothing any more, and what it says is not heard.
    c.freeze();
    await clock.advance(20_000);
    await fill(a.bus, 200, 400);
    await clock.advance(20_000);
    expect(one.partitions.length).to.equal(64);
    expect(
      seen.by.get('three')!.every((n) => n < 400),
      'it begins nothing it may not have',
    ).to.equal(true);
    expect([seen.repeated(600), seen.disorders]).to.deep.equal([0, 0]);
  });

  it('tells the handlers of a member that was taken for dead, and counts nothing of what they do then', async () => {
    const [a, b] = [await startProcess('a'), await startProcess('b')];
    await fill(a.bus, 100);
    const gate = createGate();
    const signals: AbortSignal[] = [];
    const one = a.bus.consume(
      'g',
      'a',
      async (_, { signal }) => {
        signals.push(signal);
        await gate.promise;
      },
      options,
    );
    await clock.advance(100);
    await turnsUntil(() => signals.length === 16);
    a.freeze();
    const seen = new Seen();
    const two = b.bus.consume('g', 'a', seen.handler('two'), options);
    await clock.advance(30_000);
    expect(two.partitions.length).to.equal(64);
    expect(seen.repeated(100)).to.equal(0);
    expect(
      signals.every(({ aborted }) => !aborted),
      'it knows nothing of it',
    ).to.equal(true);
    a.thaw();
    await clock.advance(1);
    expect(signals.slice(0, 16).every(({ aborted }) => aborted)).to.equal(true);
    gate.open();
    await clock.advance(20_000);
    // What it did in the name of partitions that it had no more counts nowhere: they have come as far as the other came.
    expect(a.bus.metrics().consumers[0]).to.include({ skipped: 0, running: 0 });
    expect([signals.length, sizes(one, two)]).to.deep.equal([16, [32, 32]]);
    await fill(a.bus, 100, 100);
    await clock.advance(1_000);
    await turnsUntil(() => signals.length + seen.all.length === 216);
    await clock.advance(1_000);
    expect((await b.bus.consumers.list())[0]).to.include({ position: 200, members: 2 });
  });

  it('keeps a deposed member out of the checkpoint', async () => {
    const [a, b] = [await startProcess('a'), await startProcess('b')];
    await fill(a.bus, 10);
    const gate = createGate();
    let signal: AbortSignal | undefined;
    const one = a.bus.consume('single', 'a', async (_, context) => {
      ({ signal } = context);
      await gate.promise;
    });
    await turnsUntil(() => signal !== undefined);
    const handled: unknown[] = [];
    const two = b.bus.consume('single', 'a', ({ payload }) => void handled.push(payload));
    await clock.advance(1_000);
    expect(handled.length).to.equal(10);
    gate.open();
    await clock.advance(1_000);
    expect([one.status, two.status]).to.deep.equal(['failed', 'running']);
    expect(one.error).to.include({ code: 'LEASE_LOST' });
    expect(signal!.aborted).to.equal(true);
    expect((await b.bus.consumers.list())[0]!.position).to.equal(10);
  });

  it('refuses another pattern while others are at work, and takes it when they are gone', async () => {
    const [a, b] = [await startProcess('a'), await startProcess('b')];
    const one = a.bus.consume('g', 'a', () => undefined, options);
    await one.started;
    const other = b.bus.consume('g', 'b', () => undefined, options);
    expect(await rejectionOf(other.started)).to.include({ code: 'INVALID_OPTION' });
    expect(other.status).to.equal('failed');
    await one.stop();
    await b.bus.consume('g', 'b', () => undefined, options).started;
    expect((await b.bus.consumers.list())[0]).to.include({ pattern: 'b' });
  });

  it('is not removed while it works elsewhere', async () => {
    const [a, b] = [await startProcess('a'), await startProcess('b')];
    await a.bus.consume('g', 'a', () => undefined, options).started;
    expect(await rejectionOf(b.bus.consumers.remove('g'))).to.include({ code: 'INVALID_OPTION' });
    expect((await b.bus.consumers.list())[0]).to.include({ status: 'elsewhere', members: 1 });
  });
});
