import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { isDue, paceOf, parseSnapshot, ALL_SAVED, type SnapshotOptions } from '../../lib/actor/snapshots.ts';
import { TelltaleError } from '../../lib/errors.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf } from '../support/code-of.ts';
import { createGate, turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { createActorBus } from './actor-bus.ts';

const refused = (snapshot: unknown): string => codeOf(() => parseSnapshot(snapshot, 'actor a'));

interface Log {
  readonly lines: readonly string[];
}

const journal = (snapshot?: SnapshotOptions): Behaviour<Log> => ({
  initial: { lines: [] },
  key: 'payload.of',
  idle: '30d',
  receive: (_, { payload }) => ({ type: 'noted', payload }),
  apply: ({ lines }, { payload }) => ({ lines: [...lines, (payload as { text: string }).text] }),
  ...(snapshot && { snapshot }),
});

/** A journal whose facts are noted, and how far its snapshot has come. */
async function createJournal(snapshot: SnapshotOptions, store: Store = memory()) {
  const bus = await createActorBus({ store });
  const actor = bus.bus.actor('journal', journal(snapshot));
  const note = async (text = 'x', times = 1): Promise<void> => {
    for (let i = 0; i < times; i++) actor.tell('note', { of: 'a', text });
    await bus.bus.settled();
    await turn();
  };
  const saved = async (): Promise<number> =>
    ((await store.document('snapshots', 'journal/a'))?.value as { revision?: number } | undefined)?.revision ?? 0;
  return { ...bus, actor, note, saved, store };
}

describe('when an actor takes a snapshot by itself', () => {
  refuseUnhandledRejections();

  it('after so many facts', async () => {
    const { note, saved } = await createJournal({ every: 3 });
    await note('x', 2);
    expect(await saved()).to.equal(0);
    await note();
    expect(await saved()).to.equal(3);
    await note('x', 2);
    expect(await saved()).to.equal(3);
  });

  it('when the oldest fact without one is so old', async () => {
    const { note, saved, clock } = await createJournal({ after: '1h' });
    await note();
    await clock.advance(1_800_000);
    await note();
    expect(await saved()).to.equal(0);
    await clock.advance(1_800_000);
    await note();
    expect(await saved()).to.equal(3);
    await clock.advance(3_599_999);
    await note();
    expect(await saved()).to.equal(3);
    await clock.advance(3_600_000);
    await note();
    expect(await saved()).to.equal(5);
  });

  it('when its facts are so old that were rebuilt', async () => {
    const { note, saved, clock, actor } = await createJournal({ after: '1h' });
    await note('x', 2);
    await actor.stop('a');
    await clock.advance(3_600_000);
    await actor.state('a');
    await turn();
    expect(await saved()).to.equal(2);
  });

  it('when the payloads of its facts have so many bytes, also those of a rebuild', async () => {
    const { note, saved, actor } = await createJournal({ bytes: 1_000 });
    await note('x'.repeat(600));
    expect(await saved()).to.equal(0);
    await actor.stop('a');
    await note('x'.repeat(600));
    expect(await saved()).to.equal(2);
    await note('x'.repeat(600));
    expect(await saved()).to.equal(2);
  });

  it('where a rebuild was slow, and from then on after as many facts as are rebuilt in time', async () => {
    const { note, saved, actor, store, clock } = await createJournal({});
    await note('x', 100);
    const page = store.page.bind(store);
    // 2 ms an event: 100 take 200 ms, and 25 the 50 ms that it may take.
    store.page = async (query) => {
      const answer = await page(query);
      if (query.entity === 'journal/a') await clock.advance(answer.events.length * 2);
      return answer;
    };
    await actor.stop('a');
    await note();
    expect(await saved()).to.equal(100);
    await note('x', 23);
    expect(await saved()).to.equal(100);
    await note();
    expect(await saved()).to.equal(125);
  });

  it('not where a store was away for a while', async () => {
    const { note, saved, actor, store, clock } = await createJournal({});
    await note('x', 100);
    const page = store.page.bind(store);
    const asked: unknown[] = [];
    store.page = async (query) => {
      if (asked.push(query) > 1) return page(query);
      await clock.advance(1_000);
      throw new TelltaleError('STORE_UNAVAILABLE', 'away');
    };
    await actor.stop('a');
    const noted = note();
    while (asked.length < 2) await clock.advance(100);
    await noted;
    expect(await saved()).to.equal(0);
  });

  it('not where few facts were read, or where it is told not to', async () => {
    for (const [facts, snapshot] of [
      [15, {}],
      [100, { adaptive: false }],
      [100, { adaptive: '300ms' }],
    ] as const) {
      const { note, saved, actor, store, clock } = await createJournal(snapshot);
      await note('x', facts);
      const page = store.page.bind(store);
      store.page = async (query) => {
        await clock.advance(100);
        return page(query);
      };
      await actor.stop('a');
      await note();
      expect(await saved(), JSON.stringify(snapshot)).to.equal(0);
    }
  });

  it('one after another, of which closing waits for the one that is being stored', async () => {
    const { bus, actor, store } = await createJournal({ every: 2 });
    const gate = createGate();
    const put = store.putDocument.bind(store);
    const asked: string[] = [];
    store.putDocument = async (...given) => {
      asked.push(given[1]);
      await gate.promise;
      return put(...given);
    };
    for (const of of ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'a']) actor.tell('note', { of, text: 'x' });
    await bus.settled();
    await turn();
    expect(asked).to.deep.equal(['journal/a']);
    const closed = bus.close();
    await turn();
    gate.open();
    await closed;
    expect(asked).to.deep.equal(['journal/a']);
  });

  it('one after another, each with all that is stored until its turn', async () => {
    const { bus, actor, store } = await createJournal({ every: 2 });
    const gate = createGate();
    const put = store.putDocument.bind(store);
    const saved: unknown[] = [];
    store.putDocument = async (...given) => {
      const { entity, revision } = given[2] as { entity: string; revision: number };
      saved.push([entity, revision]);
      await gate.promise;
      return put(...given);
    };
    for (const of of ['a', 'b', 'a', 'b', 'b', 'b', 'b']) actor.tell('note', { of, text: 'x' });
    await bus.settled();
    gate.open();
    await turn();
    await turn();
    expect(saved).to.deep.equal([
      ['journal/a', 2],
      ['journal/b', 5],
    ]);
  });

  it('never on a store that takes nothing', async () => {
    const store = memory();
    const { note, bus, saved } = await createJournal({}, store);
    await note();
    await bus.close();
    Object.defineProperty(store, 'supports', { value: { ...store.supports, readOnly: true } });
    const other = await createJournal({ every: 1, after: 1 }, store);
    expect(await other.actor.state('a')).to.deep.equal({ lines: ['x'] });
    await turn();
    expect(await saved()).to.equal(0);
    expect(other.told.filter(({ type }) => type === '$actor.failed')).to.deep.equal([]);
  });
});

describe('a snapshot that `decide` takes', () => {
  refuseUnhandledRejections();

  it('saves the next one reading what lies before it', async () => {
    const { bus, store, saved } = await createJournal({});
    const note = (text: string, snapshot: SnapshotOptions = { every: 3 }): Promise<unknown> =>
      bus.decide('journal/a', journal(snapshot), { type: 'note', payload: { text } });
    for (const text of ['a', 'b']) await note(text);
    expect(await saved()).to.equal(0);
    await note('c');
    expect(await saved()).to.equal(3);
    const asked: number[] = [];
    const page = store.page.bind(store);
    store.page = (query) => {
      if (query.entity === 'journal/a') asked.push(query.after);
      return page(query);
    };
    expect(await note('d')).to.deep.include({ state: { lines: ['a', 'b', 'c', 'd'] }, revision: 4 });
    expect(asked).to.deep.equal([3]);
  });

  it('is told of where it fails, and what was decided is stored all the same', async () => {
    const { bus, store, saved, told } = await createJournal({});
    store.putDocument = async () => {
      throw new TelltaleError('STORE_UNAVAILABLE', 'away');
    };
    const command = { type: 'note', payload: { text: 'a' } };
    expect(await bus.decide('journal/a', journal({ every: 1 }), command)).to.deep.include({ revision: 1 });
    expect(await saved()).to.equal(0);
    expect(told.map(({ type, name, action }) => [type, name, action])).to.deep.equal([
      ['$actor.failed', 'journal/a', 'snapshot'],
    ]);
  });
});

describe('the policy of snapshots', () => {
  it('is refused with what is wrong about it', () => {
    for (const wrong of [
      7,
      [],
      null,
      { evry: 1 },
      { every: 0 },
      { every: 1.5 },
      { every: '1' },
      { after: 0 },
      { bytes: -1 },
      { bytes: Infinity },
      { adaptive: 0 },
      { compressAbove: 0 },
      { compressAbove: 'never' },
    ])
      expect(refused(wrong), JSON.stringify(wrong)).to.equal('INVALID_OPTION');
    expect(refused({ after: 'soon' })).to.equal('INVALID_DURATION');
    expect(refused({ adaptive: 'yes' })).to.equal('INVALID_DURATION');
    const all = { every: 1, after: '1d', bytes: 1, adaptive: '10ms', compressAbove: Infinity } as const;
    expect(parseSnapshot(all, 'actor a')).to.include({ afterMs: 86_400_000, adaptiveMs: 10 });
  });

  it('is by pace alone where nothing is said', () => {
    const policy = parseSnapshot(undefined, 'actor a');
    const unsaved = { ...ALL_SAVED, unsaved: 1e9, unsavedBytes: 1e12, unsavedSince: 1 };
    expect(isDue(policy, unsaved, 1e15)).to.equal(false);
    expect(isDue(policy, { ...unsaved, pace: 1e9 }, 0)).to.equal(true);
    expect([paceOf(policy, 1_000, 50), paceOf(policy, 1_000, 500), paceOf(policy, 1_000, 1e9)]).to.deep.equal([
      Infinity,
      100,
      16,
    ]);
  });
});
