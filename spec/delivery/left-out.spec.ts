import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  createBus,
  fileTarget,
  type Bus,
  type CheckpointTarget,
  type Consumer,
  type FileTarget,
} from '../../lib/index.ts';
import { TelltaleError, type Store } from '../../lib/plugin.ts';
import { memory } from '../../plugins/memory/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { viewOfShared } from '../support/shared-views.ts';
import { turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

interface Kept {
  readonly payload: unknown;
}

interface Tx {
  readonly tx?: { readonly state: unknown[] };
}

async function publish(bus: Bus, to: number): Promise<void> {
  for (let n = 1; n <= to; n++) await bus.publish('a', n);
}

function keyUnless3({ payload }: Kept): unknown {
  if (payload === 3) throw new Error('no key');
  return payload;
}

describe('what a target knows of events that are left out, and of who asks it', () => {
  refuseUnhandledRejections();
  let folder: string;
  let file: FileTarget<unknown[]>;
  let store: Store;
  let isBad: boolean;
  let calls: unknown[];

  beforeEach(async () => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-left-out-'));
    file = fileTarget<unknown[]>(join(folder, 'views.json'), []);
    store = memory();
    await store.open();
    [isBad, calls] = [true, []];
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const add = (given: Kept | readonly Kept[], { tx }: Tx): void => {
    const all = [given].flat().map(({ payload }) => payload);
    calls.push(...all);
    tx?.state.push(...all);
    if (isBad && all.includes(3)) throw new Error('handler');
  };

  async function run(
    work: (consumer: Consumer, bus: Bus) => Promise<unknown>,
    options: object = {},
    log = viewOfShared(store, { shared: false }),
  ): Promise<void> {
    const bus = await createBus({ store: log });
    for (const type of ['$bus.handler.failed', '$bus.consumer.**', '$bus.store.**']) bus.on(type, () => undefined);
    try {
      await work(bus.consume('views', 'a', add as never, { checkpointIn: file, retry: false, ...options }), bus);
    } finally {
      await bus.close();
    }
  }

  for (const [how, options] of Object.entries({ 'one by one': {}, 'in batches': { batch: { max: 2 } } }))
    it(`begins behind one that is a dead letter, and counts it once when that is tried again: ${how}`, async () => {
      await run(async (consumer, bus) => {
        await publish(bus, 3);
        await consumer.caughtUp();
        expect(bus.metrics().consumers[0]).to.include({ taken: 3, handled: 2, skipped: 1, running: 0 });
      }, options);
      isBad = false;
      calls = [];
      await run(async (consumer, bus) => {
        await consumer.caughtUp();
        expect(calls).to.deep.equal([]);
        expect((await bus.deadLetters.retry({})).closed).to.equal(1);
      }, options);
      expect(await file.read()).to.deep.equal([1, 2, 3]);
    });

  it('neither counts nor closes a letter before it has come to its event, which then counts once', async () => {
    const away: CheckpointTarget = {
      ...file,
      commit: (given, work) =>
        given.some(({ isSkipped }) => isSkipped) ? Promise.reject(new Error('away')) : file.commit(given, work),
    };
    const notYet = { closed: 0, failed: 0, skipped: 1 };
    await run(
      async (consumer, bus) => {
        await publish(bus, 3);
        while (consumer.status !== 'paused') await turn();
        isBad = false;
        expect(await bus.deadLetters.retry({})).to.include(notYet);
      },
      { checkpointIn: away },
    );
    calls = [];
    await run(async (consumer, bus) => {
      consumer.pause();
      await consumer.started;
      const report = bus.deadLetters.retry({});
      while (bus.metrics().consumers[0]!.queued === 0) await turn();
      consumer.resume();
      expect(await report).to.include(notYet);
      await consumer.caughtUp();
      expect((await bus.deadLetters.retry({})).closed).to.equal(1);
    });
    expect([calls, await file.read()]).to.deep.equal([[3], [1, 2, 3]]);
  });

  function withoutLetters(): Store {
    const log = viewOfShared(store, { shared: false });
    const enqueue: Store['enqueue'] = (append) => {
      if (isBad && append.events.some(({ type }) => type === '$dead-letter.opened'))
        append.failed(new TelltaleError('STORE_REFUSED', 'not this one'));
      else log.enqueue(append);
    };
    return new Proxy(log, {
      get: (target, name) => (name === 'enqueue' ? enqueue : (Reflect.get(target, name) as unknown)),
    });
  }

  for (const [where, options] of Object.entries({ 'a target': {}, 'the log': { checkpointIn: undefined } }))
    it(`leaves out nothing whose letter is not stored, and pauses, with its checkpoint in ${where}`, async () => {
      await run(
        async (consumer, bus) => {
          await publish(bus, 4);
          while (consumer.status !== 'paused') await turn();
          expect(consumer.error).to.include({ code: 'STORE_UNAVAILABLE' });
          expect(bus.metrics().consumers[0]).to.include({ handled: 2, skipped: 0, running: 0, position: 2 });
          isBad = false;
          consumer.resume();
          await consumer.caughtUp();
          expect(bus.metrics().consumers[0]).to.include({ handled: 4, skipped: 0, queued: 0 });
        },
        options,
        withoutLetters(),
      );
      expect(calls.slice(-2)).to.deep.equal([3, 4]);
      expect(await file.read()).to.deep.equal(where === 'a target' ? [1, 2, 3, 4] : []);
    });

  it('leaves out what has no key when it goes on and its letter can be stored', async () => {
    await run(
      async (consumer, bus) => {
        await publish(bus, 4);
        while (consumer.status !== 'paused') await turn();
        isBad = false;
        expect(await bus.deadLetters.retry({})).to.include({ closed: 0, failed: 1 });
        consumer.resume();
        await consumer.caughtUp();
        expect(calls).to.not.include(3);
        expect(bus.metrics().consumers[0]).to.include({ handled: 3, skipped: 1, queued: 0, running: 0 });
      },
      { checkpointIn: undefined, key: keyUnless3, retry: { delay: '1h' } },
      withoutLetters(),
    );
  });

  it('gives back what waits within a batch whose letter is not stored', async () => {
    await run(
      async (consumer, bus) => {
        await publish(bus, 5);
        while (consumer.status !== 'paused') await turn();
        expect(bus.metrics().consumers[0]).to.include({ taken: 5, handled: 2, queued: 3, returned: 0 });
        await consumer.rewind('earliest');
        expect(bus.metrics().consumers[0]).to.include({ taken: 5, handled: 2, queued: 0, returned: 3 });
      },
      { checkpointIn: undefined, batch: { max: 5, wait: '1m' } },
      withoutLetters(),
    );
  });

  it('goes on in a group when the key of the next event can be told, and counts all once', async () => {
    const key = ({ payload }: Kept): unknown => {
      if (isBad && payload === 3) throw new Error('no key');
      return payload;
    };
    const options = { group: true, key };
    await run(async (consumer, bus) => {
      await publish(bus, 5);
      while (consumer.status !== 'paused') await turn();
      expect(String(consumer.error)).to.contain('no key');
      consumer.resume();
      while (consumer.status !== 'paused') await turn();
      expect([await bus.deadLetters.list(), consumer.position < 3]).to.deep.equal([[], true]);
      expect(((await file.read()) as number[]).filter((n) => n > 2)).to.deep.equal([]);
    }, options);
    isBad = false;
    await run((consumer) => consumer.caughtUp(), options);
    expect(((await file.read()) as number[]).toSorted((a, b) => a - b)).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('is not asked under other keys: who was no group does not become one, nor the other way round', async () => {
    isBad = false;
    for (const group of [true, false]) {
      const name = group ? 'alone' : 'together';
      file = fileTarget<unknown[]>(join(folder, `${name}.json`), []);
      await run((consumer, bus) => publish(bus, 2).then(() => consumer.caughtUp()), { group: !group });
      const seen = await file.read();
      await run(async (consumer) => expect((await rejectionOf(consumer.started)).code).to.equal('INVALID_OPTION'), {
        group,
      });
      await run((consumer) => consumer.caughtUp(), { group: !group });
      expect(await file.read()).to.deep.equal(seen);
      await run(
        async (consumer, bus) => {
          await consumer.stop();
          await bus.consumers.remove('views');
        },
        { group: !group },
      );
    }
  });

  it('is believed when the store has answered, which is asked again', async () => {
    isBad = false;
    await run((consumer, bus) => publish(bus, 2).then(() => consumer.caughtUp()));
    const away = viewOfShared(store, { shared: false });
    let failures = 0;
    const page: Store['page'] = (query) => {
      if (query.after === 1 && query.through === 2 && failures++ === 0)
        return Promise.reject(new TelltaleError('STORE_UNAVAILABLE', 'away'));
      return store.page(query);
    };
    await run(
      (consumer) => consumer.caughtUp(),
      {},
      new Proxy(away, { get: (target, name) => (name === 'page' ? page : (Reflect.get(target, name) as unknown)) }),
    );
    expect(failures).to.be.above(1);
  });
});
