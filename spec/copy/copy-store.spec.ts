import { expect } from 'chai';
import { copyStore, createBus } from '../../lib/index.ts';
import type { CopyMap, CopyOptions, CopyProgress } from '../../lib/index.ts';
import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { memory } from '../../plugins/memory/index.ts';
import { storeOn } from '../json-file/log-on-disk.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { mortal } from '../support/dying-store.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turn } from '../support/turn.ts';
import { contentOf, documentsOf, fill, fillWithHoles } from './logs.ts';

const jsonFile = (): Store => storeOn(new MemoryDisk(), { segmentEvents: 64 });
const KINDS: Readonly<Record<string, () => Store>> = { memory: () => memory(), 'json-file': jsonFile };

async function opened(store: Store): Promise<Store> {
  await store.open();
  return store;
}

async function positions(store: Store): Promise<number[]> {
  const found: number[] = [];
  for await (const { position } of store.read()) found.push(position);
  return found;
}

describe('copyStore', () => {
  for (const [from, createFrom] of Object.entries(KINDS))
    for (const [to, createTo] of Object.entries(KINDS))
      it(`copies all of ${from} into ${to}: positions, removals, known ids, revisions, documents`, async () => {
        const source = await opened(createFrom());
        await fillWithHoles(source);
        const target = await opened(createTo());
        const report = await copyStore(source, target);
        expect(await contentOf(target)).to.deep.equal(await contentOf(source));
        expect(report).to.deep.equal({
          position: 200,
          resumedFrom: 0,
          events: 140,
          leftOut: 0,
          tombstones: 60,
          documents: 2,
          notices: [],
        });
        const answers = [];
        for (const store of [source, target]) {
          const again = await store.append([
            buildEvent({ id: 'e-0', entity: 'task/0', payload: { n: 0, text: 'about e 0' } }),
          ]);
          const next = await store.append(buildEvents(2, { entity: 'task/3' }));
          answers.push([again.position, again.duplicate, next.position, next.revisions]);
        }
        expect(answers[1]).to.deep.equal(answers[0]);
        expect(answers[0]!.slice(0, 3)).to.deep.equal([1, true, 201]);
      });

  it('copies an empty log, and one in which nothing is left', async () => {
    const [empty, emptied] = [await opened(memory()), await opened(jsonFile())];
    await fill(emptied, 20);
    await emptied.remove([{ from: 1, to: 20 }], 'all');
    for (const source of [empty, emptied]) {
      const target = await opened(jsonFile());
      await copyStore(source, target);
      expect(await contentOf(target)).to.deep.equal(await contentOf(source));
    }
  });

  it('opens stores that are closed, and closes them again', async () => {
    const [source, target] = [memory(), jsonFile()];
    await source.open();
    await fill(source, 10);
    await source.close();
    await copyStore(source, target);
    expect([source.health().status, target.health().status]).to.deep.equal(['closed', 'closed']);
    await target.open();
    expect((await target.head()).position).to.equal(10);
  });

  it('copies of a store in use what was there at the call, and nothing that was removed meanwhile', async () => {
    const source = await opened(memory());
    const target = await opened(memory());
    await fill(source, 500);
    await source.putDocument('checkpoints', 'reader', { position: 500 });
    let calls = 0;
    const underWay: Promise<unknown>[] = [];
    // What changes meanwhile is done when a stretch's events were read, and its removals were not.
    const removed = source.removed.bind(source);
    source.removed = async (range) => {
      await Promise.all(underWay);
      return removed(range);
    };
    const report = await copyStore(source, target, {
      progress: ({ position }) => {
        // What is removed at the very end may be too late.
        if (position > 300) return;
        calls++;
        underWay.push(
          source.append(buildEvents(3)),
          source.remove(
            [
              { from: calls, to: calls },
              { from: 400 + calls, to: 400 + calls },
            ],
            'meanwhile',
          ),
          source.putDocument('checkpoints', 'reader', { position: 500 + calls }),
        );
      },
    });
    expect(calls).to.be.greaterThan(1);
    expect(report.position).to.equal(500);
    expect((await target.head()).position).to.equal(500);
    const left = (await positions(source)).filter((position) => position <= 500);
    expect(await positions(target)).to.deep.equal(left);
    expect(await documentsOf(target)).to.deep.equal({ 'checkpoints/reader': { position: 500 } });
  });

  it('erases from the copy what the source has erased since, and follows rewrites while it runs', async () => {
    const source = await opened(memory());
    const target = await opened(memory());
    await fill(source, 300);
    await copyStore(source, target);
    await source.remove([{ from: 7, to: 9 }], 'erased');
    const [event] = (await source.page({ after: 19, through: 20, descending: false, limit: 1 })).events;
    const head = source.head.bind(source);
    source.head = async () => {
      source.head = head;
      await source.rewrite([{ ...event!, payload: { name: 'gone' } }]);
      return head();
    };
    await copyStore(source, target);
    const all = await positions(target);
    expect([all.length, all.includes(8)]).to.deep.equal([297, false]);
    expect((await target.removed()).map(({ from, to, reason }) => [from, to, reason])).to.deep.equal([
      [7, 9, 'erased'],
    ]);
    const [copied] = (await target.page({ after: 19, through: 20, descending: false, limit: 1 })).events;
    expect(copied!.payload).to.deep.equal({ name: 'gone' });
  });

  it('keeps nothing that `map` leaves out since it was rewritten at the source, and nothing it left out before', async () => {
    const [source, target] = [await opened(memory()), await opened(memory())];
    await fill(source, 300);
    const [second, third] = (await source.page({ after: 1, through: 3, descending: false, limit: 2 })).events;
    let isFirst = true;
    await source.rewrite([{ ...third!, payload: { keep: false } }]);
    const change = async (): Promise<void> => {
      await source.rewrite([{ ...second!, payload: { keep: false } }]);
      await source.rewrite([{ ...third!, payload: { keep: true } }]);
    };
    let changed: Promise<void> | undefined;
    await copyStore(source, target, {
      map: (event) => (event.position < 250 ? wanted(event) : (changed ?? Promise.resolve()).then(() => wanted(event))),
      progress: ({ position }) => {
        if (isFirst && position > 60) [isFirst, changed] = [false, change()];
      },
    });
    expect((await positions(target)).slice(0, 2)).to.deep.equal([1, 4]);
    for (const { reason } of await target.removed()) expect(reason).to.equal('left out of the copy');
  });

  it('carries out what is rewritten while late changes are carried out', async () => {
    const [source, target] = [await opened(memory()), await opened(memory())];
    await fill(source, 100);
    const events = (await source.page({ after: 0, through: 2, descending: false, limit: 2 })).events;
    const rewrite = (i: number): Promise<void> => source.rewrite([{ ...events[i]!, payload: { name: 'gone' } }]);
    let calls = 0;
    await copyStore(source, target, {
      map: async (event) => {
        // Its second turn is that of its first change.
        if (event.position === 1 && ++calls === 2) await rewrite(1);
        if (event.position === 100) await rewrite(0);
        return event;
      },
    });
    const copied = (await target.page({ after: 0, through: 2, descending: false, limit: 2 })).events;
    expect(copied.map(({ payload }) => payload)).to.deep.equal([{ name: 'gone' }, { name: 'gone' }]);
  });

  it('brings a finished copy up to date', async () => {
    const [source, target] = [await opened(memory()), await opened(jsonFile())];
    await fillWithHoles(source);
    await copyStore(source, target);
    await fill(source, 50, 'more');
    await source.remove([{ from: 150, to: 155 }], 'later');
    await source.deleteDocument('snapshots', 'task/1');
    const report = await copyStore(source, target);
    expect([report.resumedFrom, report.events]).to.deep.equal([200, 50]);
    const [mine, its] = [await contentOf(target), await contentOf(source)] as Record<string, unknown>[];
    expect(withoutTimes(mine!)).to.deep.equal(withoutTimes(its!));
  });

  it('ends at each step of a kill with the same copy', async function () {
    this.timeout(60_000);
    const source = await opened(memory());
    await fillWithHoles(source);
    const expected = await contentOf(source);
    for (let nth = 1, alive = false; !alive; nth++)
      for (const dies of ['before', 'behind'] as const) {
        const log = await opened(memory());
        const mortalTarget = mortal(log, nth, dies);
        const ended: true[] = [];
        void copyStore(source, mortalTarget.store).finally(() => ended.push(true));
        while (ended.length === 0 && !mortalTarget.isDead) await turn();
        alive = ended.length > 0;
        await turn();
        await copyStore(source, log);
        expect(await contentOf(log), `${dies} call ${nth}`).to.deep.equal(expected);
      }
  });

  it('stops with ABORTED when it is told to, and goes on from there', async () => {
    const [source, target] = [await opened(memory()), await opened(memory())];
    await fill(source, 500);
    const controller = new AbortController();
    const error = await rejectionOf(
      copyStore(source, target, {
        signal: controller.signal,
        progress: ({ position }) => void (position > 60 && controller.abort()),
      }),
    );
    expect(error.code).to.equal('ABORTED');
    const { position } = await target.head();
    expect(position).to.be.within(61, 499);
    expect(error.message).to.include(`position ${position} of 500`);
    const report = await copyStore(source, target);
    expect(report.resumedFrom).to.equal(position);
    expect(await contentOf(target)).to.deep.equal(await contentOf(source));
  });

  it('tells its progress, which rises to the head', async () => {
    const [source, target] = [await opened(memory()), await opened(memory())];
    await fill(source, 300);
    const told: CopyProgress[] = [];
    await copyStore(source, target, { progress: (progress) => void told.push(progress) });
    expect(told[0]).to.deep.equal({ position: 0, through: 300, events: 0, leftOut: 0 });
    expect(told.at(-1)).to.deep.equal({ position: 300, through: 300, events: 300, leftOut: 0 });
    expect(told.map(({ position }) => position)).to.deep.equal(
      told.map(({ position }) => position).toSorted((a, b) => a - b),
    );
  });

  describe('with `map`', () => {
    it('changes events, and records those that are left out as removed', async () => {
      const [source, target] = [await opened(memory()), await opened(jsonFile())];
      for (let i = 0; i < 40; i++) await source.append([buildEvent({ id: `m-${i}`, entity: `task/${i}`, payload: i })]);
      const report = await copyStore(source, target, { map: anonymise });
      expect([report.events, report.leftOut]).to.deep.equal([36, 4]);
      expect((await target.removed()).map(({ from, to, reason }) => [from, to, reason])).to.deep.equal(
        [10, 20, 30, 40].map((at) => [at, at, 'left out of the copy']),
      );
      const [second] = (await target.page({ after: 1, through: 2, descending: false, limit: 1 })).events;
      expect([second!.entity, second!.payload, second!.revision]).to.deep.equal(['anon/1', 'hidden', 1]);
      expect((await target.head()).position).to.equal(40);
      // Retries of what was changed or left out are still known.
      for (const i of [1, 9]) {
        const receipt = await target.append([buildEvent({ id: `m-${i}`, entity: `task/${i}`, payload: i })]);
        expect([receipt.position, receipt.duplicate]).to.deep.equal([i + 1, true]);
      }
    });

    it('keeps nothing of what is gone where it shall forget', async () => {
      const [source, target] = [await opened(memory()), await opened(memory())];
      for (let i = 0; i < 40; i++) await source.append([buildEvent({ id: `m-${i}`, entity: `task/${i}`, payload: i })]);
      await source.remove([{ from: 3, to: 5 }], 'erased');
      await copyStore(source, target, { map: anonymise, forget: true, documents: false });
      expect(await target.tombstones({ from: 1, to: 40 }, 100)).to.deep.equal([]);
      expect((await target.find(['m-9', 'm-3'])).size).to.equal(0);
      expect(await target.revision('task/9')).to.equal(0);
      for await (const event of target.read()) expect(event.metadata).not.to.have.property('$content');
      expect((await target.removed())[0]).to.include({ from: 3, to: 5, reason: 'erased' });
    });

    it('refuses an answer that is no event, and one that joins two entities', async () => {
      const source = await opened(memory());
      await fill(source, 20);
      const bad = [
        [() => 5, 'INVALID_OPTION'],
        [(event: StoredEvent) => ({ ...event, payload: { when: new Date() } }), 'PAYLOAD_NOT_PLAIN'],
        [(event: StoredEvent) => ({ ...event, type: 'no type' }), 'INVALID_TYPE'],
        [(event: StoredEvent) => ({ ...event, entity: 'task/one' }), 'IMPORT_REFUSED'],
        [(event: StoredEvent) => ({ ...event, id: 'one' }), 'IMPORT_REFUSED'],
      ] as const;
      for (const [map, code] of bad) {
        const target = await opened(memory());
        const error = await rejectionOf(copyStore(source, target, { map: map as unknown as CopyMap }));
        expect(error.code).to.equal(code);
      }
    });
  });

  describe('refuses', () => {
    it('a target that holds other events, and leaves it as it was', async () => {
      const [source, other] = [await opened(memory()), await opened(memory())];
      await fill(source, 20);
      await fill(other, 5, 'other');
      const error = await rejectionOf(copyStore(source, other));
      expect(error.code).to.equal('STORE_OCCUPIED');
      expect(error.message).to.include('holds 5 positions');
      expect(await positions(other)).to.have.length(5);
      expect(await other.collections()).to.deep.equal([]);
    });

    it('a copy of another log, one that was used since, and one that is ahead', async () => {
      const [source, another, target] = [await opened(memory()), await opened(memory()), await opened(memory())];
      await fill(source, 20);
      await fill(another, 30, 'another');
      await copyStore(source, target);
      expect((await rejectionOf(copyStore(another, target))).code).to.equal('STORE_OCCUPIED');
      await target.append([buildEvent()]);
      expect((await rejectionOf(copyStore(source, target))).code).to.equal('STORE_OCCUPIED');
      await fill(source, 7, 'more');
      expect((await rejectionOf(copyStore(source, target))).code).to.equal('STORE_OCCUPIED');
    });

    it('to go on in another way than it was begun', async () => {
      const [source, target] = [await opened(memory()), await opened(memory())];
      await fill(source, 20);
      await copyStore(source, target);
      const error = await rejectionOf(copyStore(source, target, { map: (event) => event }));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(error.message).to.include('without `map`');
    });

    it('a source that misses a position without a reason', async () => {
      const source = await opened(memory());
      await fill(source, 20);
      await source.remove([{ from: 5, to: 6 }], 'gone');
      const lying = new Proxy(source, {
        get: (store, name) => {
          if (name === 'removed') return async () => [];
          const member: unknown = Reflect.get(store, name);
          return typeof member === 'function' ? (member.bind(store) as unknown) : member;
        },
      });
      const error = await rejectionOf(copyStore(lying, await opened(memory())));
      expect(error.code).to.equal('STORE_CORRUPT');
      expect(error.message).to.include('from 5 to 6');
    });

    it('the same log by another name, and leaves it as it was', async () => {
      const [origin, copy] = [await opened(memory()), await opened(memory())];
      await fill(origin, 20);
      await copyStore(origin, copy);
      for (const store of [copy, await opened(memory())]) {
        const before = await store.document('copies', 'progress');
        const other = new Proxy(store, { get: bound });
        const error = await rejectionOf(copyStore(store, other));
        expect([error.code, error.message.includes('another log than its source')]).to.deep.equal([
          'INVALID_OPTION',
          true,
        ]);
        expect((await store.document('copies', 'progress'))?.value).to.deep.equal(before?.value);
      }
    });

    it('to hide that closing failed behind what failed before', async () => {
      const [source, target] = [memory(), await opened(memory())];
      const failing = new Proxy(source, {
        get: (store, name) =>
          name === 'close' ? () => Promise.reject(new Error('no way to close')) : bound(store, name),
      });
      await target.append(buildEvents(3));
      const error = await rejectionOf(copyStore(failing, target));
      expect(error.code).to.equal('STORE_OCCUPIED');
      expect(error.message).to.include('; and closing failed: no way to close');
    });

    it('what is no store, by name', async () => {
      const bus = await createBus();
      for (const odd of ['memory:', bus, undefined, null, Promise.resolve(memory())] as never[]) {
        const error = await rejectionOf(copyStore(odd, memory()));
        expect([error.code, error.message.includes('the source of copyStore')]).to.deep.equal(['INVALID_OPTION', true]);
        expect((await rejectionOf(copyStore(memory(), odd))).message).to.include(
          'the target of copyStore to be a store',
        );
      }
      await bus.close();
    });

    it('itself as a target, unknown options, and a store that takes nothing over', async () => {
      const [source, target] = [await opened(memory()), await opened(memory())];
      expect((await rejectionOf(copyStore(source, source))).code).to.equal('INVALID_OPTION');
      for (const options of [{ maps: 1 }, { map: 'x' }, { forget: 'yes' }, { signal: 3 }])
        expect((await rejectionOf(copyStore(source, target, options as CopyOptions))).code).to.equal('INVALID_OPTION');
      const plain = Object.create(target, { supports: { value: { ...target.supports, operations: [] } } }) as Store;
      expect(
        (
          await rejectionOf(
            copyStore(
              source,
              new Proxy(target, { get: (store, name) => (name === 'supports' ? plain.supports : bound(store, name)) }),
            ),
          )
        ).code,
      ).to.equal('NOT_SUPPORTED');
    });
  });
});

const wanted: CopyMap = (event) => ((event.payload as { keep?: boolean }).keep === false ? null : event);

const anonymise: CopyMap = (event) => {
  if (event.position % 10 === 0) return null;
  return event.position % 2 === 0
    ? { ...event, entity: event.entity?.replace('task/', 'anon/') ?? 'anon/x', payload: 'hidden' }
    : event;
};

function bound(store: Store, name: string | symbol): unknown {
  const member: unknown = Reflect.get(store, name);
  return typeof member === 'function' ? (member.bind(store) as unknown) : member;
}

/** When the copy carried out a removal is its own time. */
function withoutTimes(content: Record<string, unknown>): object {
  const removed = content['removed'] as { from: number; to: number; reason: string }[];
  return { ...content, removed: removed.map(({ from, to, reason }) => [from, to, reason]) };
}
