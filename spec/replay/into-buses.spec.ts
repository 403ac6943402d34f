import { expect } from 'chai';
import { map } from 'rxjs';
import { createBus, memory, type Bus, type StoredEvent } from '../../lib/index.ts';
import { createTestBus } from '../../lib/testing.ts';
import { codeOf } from '../support/code-of.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { createLived, takeSteps } from './lived.ts';

// The copy has its own clock.
const bare = (event: StoredEvent) => ({ ...event, storedAt: 0, metadata: { ...event.metadata, $content: 0 } });

const dropThree = (event: { payload: unknown }) => ((event.payload as { n: number }).n === 3 ? null : event);

const upcast = (payload: unknown) => ({ deep: { ...(payload as object) } });

describe('a replay into another bus', () => {
  it('copies events with ids, times, sources, entities, causes and metadata, once', async () => {
    const { bus, store } = await createLived({ source: 'planner' });
    bus.on('step.taken', (_event, { emit }) => emit('ball.thrown', {}, { metadata: { tags: ['far'] } }));
    await takeSteps(bus, [100, 200.5], { entity: 'dog/1', metadata: { conversationId: 'c' }, id: undefined });
    // An id of its own and inherited metadata: the bus has put its hash beside them.
    bus.on('step.named', (_event, { emit }) => emit('ball.caught', {}, { id: 'caught' }));
    await bus.publish(
      'step.named',
      { n: 3 },
      { id: 'own', source: 'elsewhere', schemaVersion: 4, metadata: { userId: 'u' } },
    );
    await bus.flush();
    const copies = memory();
    const copy = await createBus({ source: 'copy', store: copies });
    expect(await bus.replay({ into: copy }).finished).to.include({ delivered: 6, skipped: 0, failed: 0 });
    expect((await logged(copies)).map(bare)).to.deep.equal((await logged(store)).map(bare));
    expect(await bus.replay({ into: copy }).finished).to.include({ delivered: 0, skipped: 6, failed: 0 });
    await copy.close();
  });

  it('delivers them there, and what its handlers emit belongs to it', async () => {
    const { bus, log } = await createLived();
    await takeSteps(bus, [1]);
    const copy = await createTestBus();
    copy.bus.on('step.taken', (_event, { emit }) => emit('copy.seen', {}));
    await bus.replay({ into: copy.bus }).finished;
    await copy.bus.flush();
    expect(copy.events.map(({ type }) => type)).to.deep.equal(['step.taken', 'copy.seen']);
    expect((await log()).length).to.equal(1);
  });

  it('counts what it refuses as failed, what its stages drop as skipped', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3]);
    const copy = await createBus({ store: memory(), admit: [dropThree as never] });
    const [first] = (await bus.query({ limit: 1 })).events;
    await copy.publish('step.taken', { other: true }, { id: first!.id });
    const result = await bus.replay({ into: copy }).finished;
    expect(result).to.include({ delivered: 1, skipped: 1, failed: 1 });
    expect(result.failures[0]!.error.code).to.equal('EVENT_CONFLICT');
    await copy.close();
  });

  it('hands on payloads as they are stored, whatever this bus makes of them', async () => {
    const { bus } = await createLived();
    await bus.publish('step.taken', { count: 3 });
    bus.schemas.register('step.taken', 2, undefined, { upcast: () => ({ n: 3 }) });
    const copies = memory();
    const copy = await createBus({ store: copies });
    await bus.replay({ into: copy }).finished;
    expect((await logged(copies))[0]).to.deep.include({ payload: { count: 3 }, schemaVersion: 1 });
    await copy.close();
  });

  it('ends where the other bus takes nothing any more', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3]);
    const copy = await createBus({ store: memory() });
    await copy.close();
    expect((await rejectionOf(bus.replay({ into: copy }).finished)).code).to.equal('BUS_CLOSED');
  });

  it('has no more than 256 publishes under way', async () => {
    const { bus } = await createLived();
    const batch = bus.batch();
    for (let n = 0; n < 1_000; n++) batch.add('step.taken', { n });
    await batch.commit();
    const gate = createGate();
    let most = 0;
    let underWay = 0;
    const publish = async (): Promise<object> => {
      most = Math.max(most, ++underWay);
      await gate.promise;
      underWay--;
      return { duplicate: false };
    };
    const into = { publish, emit: () => undefined, batch: () => undefined } as unknown as Bus;
    const { finished } = bus.replay({ into });
    await turnsUntil(() => underWay > 0);
    for (let i = 0; i < 20; i++) await turn();
    expect(most).to.equal(256);
    gate.open();
    expect((await finished).delivered).to.equal(1_000);
    expect(most).to.equal(256);
  });
});

const refusing = (times: Readonly<Record<number, number>>) => {
  const left: Record<number, number> = { ...times };
  return (event: { payload: unknown }) => {
    const { n } = event.payload as { n: number };
    if ((left[n] ?? 0) === 0) return event;
    left[n] = left[n]! - 1;
    throw new Error('busy');
  };
};

async function copied(times: Readonly<Record<number, number>>) {
  const { bus, clock } = await createLived();
  await takeSteps(bus, [1, 2, 3, 4, 5]);
  const copies = memory();
  const copy = await createBus({ store: copies, admit: [refusing(times) as never] });
  copy.on('$bus.**', () => undefined);
  const { finished } = bus.replay({ into: copy, retry: { attempts: 3, delay: 10, jitter: 0 } });
  for (let i = 0; i < 20; i++) {
    await turn();
    await clock.advance(10);
  }
  const result = await finished;
  await copy.flush();
  const stored = (await logged(copies)).map(({ payload }) => (payload as { n: number }).n);
  const letters = (await copy.deadLetters.list()).map(({ reason, attempts }) => [reason, attempts]);
  await copy.close();
  return { result, stored, letters };
}

describe('a replay with `retry` into another bus that refuses now and then', () => {
  it('keeps the order, and leaves no letter about what was taken in the end', async () => {
    const { result, stored, letters } = await copied({ 2: 2, 4: 1 });
    expect(result).to.include({ delivered: 5, failed: 0 });
    expect(stored).to.deep.equal([1, 2, 3, 4, 5]);
    expect(letters).to.deep.equal([]);
  });

  it('leaves one letter about what was never taken, and goes on', async () => {
    const { result, stored, letters } = await copied({ 2: 9 });
    expect(result).to.include({ delivered: 4, failed: 1 });
    expect(result.failures[0]).to.deep.include({ position: 2, attempts: 3 });
    expect(stored).to.deep.equal([1, 3, 4, 5]);
    expect(letters.length).to.equal(1);
  });

  it('does not try again what can never be taken', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2]);
    const copy = await createBus({ store: memory() });
    copy.on('$bus.**', () => undefined);
    const [first] = (await bus.query({ limit: 1 })).events;
    await copy.publish('step.taken', { other: true }, { id: first!.id });
    const result = await bus.replay({ into: copy, retry: { attempts: 3, delay: 10 } }).finished;
    expect(result).to.include({ delivered: 1, failed: 1 });
    expect(result.failures[0]).to.deep.include({ attempts: 1 });
    await copy.close();
  });
});

describe('a replay into the same bus', () => {
  it('reaches subscriptions that ask for it, and nobody else', async () => {
    const { bus, events, log } = await createLived();
    const heard: string[] = [];
    const noted = (who: string) => (event: { payload: unknown }) =>
      void heard.push(`${who} ${JSON.stringify(event.payload)}`);
    bus.on('step.*', noted('live'));
    bus.on('step.*', noted('only'), { replay: 'only' });
    bus.on('step.*', noted('both'), { replay: 'both', where: { 'payload.n': { $gt: 1 } } });
    bus.observe('step.*').subscribe(noted('observe'));
    bus.pipeline('p', 'step.*', (source$) => source$.pipe(map(({ payload }) => ({ type: 'made.up', payload }))));
    await takeSteps(bus, [1, 2]);
    await bus.settled();
    await bus.flush();
    const live = ['live {"n":1}', 'observe {"n":1}', 'live {"n":2}', 'both {"n":2}', 'observe {"n":2}'];
    expect(heard.splice(0)).to.have.members(live);
    const dispatched = events.length;
    const stored = await log();
    const once = bus.once('step.*').catch(() => 'closed');
    const result = await bus.replay({ into: bus }).finished;
    await bus.flush();
    expect(heard).to.deep.equal(['only {"n":1}', 'only {"n":2}', 'both {"n":2}']);
    const unheard = stored.length - 2;
    expect(result).to.include({ delivered: 3, skipped: unheard, failed: 0 });
    expect([events.length, await log()]).to.deep.equal([dispatched, stored]);
    await bus.close();
    expect(await once).to.equal('closed');
  });

  it('skips what nobody asked for', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2]);
    expect(await bus.replay({ into: bus }).finished).to.include({ delivered: 0, skipped: 2 });
  });

  it('captures what their handlers emit, counts their failures and writes no letters', async () => {
    const { bus, events, log } = await createLived();
    await takeSteps(bus, [1, 2]);
    bus.on(
      'step.*',
      ({ payload }, { emit }) => {
        emit('made.up', payload);
        if ((payload as { n: number }).n === 2) throw new Error('two');
      },
      { replay: 'only' },
    );
    const result = await bus.replay({ into: bus }).finished;
    await bus.flush();
    expect(result).to.include({ delivered: 1, failed: 1, emittedCount: 2 });
    expect(result.failures[0]!.error.message).to.equal('two');
    expect([events.length, (await log()).length]).to.deep.equal([2, 2]);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });

  it('goes through the mailbox of the subscription: one at a time, live events in between, never too many', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3, 4, 5, 6]);
    const gate = createGate();
    const heard: unknown[] = [];
    let running = 0;
    bus.on(
      'step.*',
      async ({ payload }) => {
        expect(++running).to.equal(1);
        heard.push((payload as { n: number }).n);
        await gate.promise;
        running--;
      },
      { replay: 'both', mailbox: { max: 2 } },
    );
    const { finished } = bus.replay({ into: bus, to: 6 });
    await turnsUntil(() => heard.length === 1);
    for (let i = 0; i < 5; i++) await turn();
    bus.emit('step.taken', { n: 99 });
    gate.open();
    expect(await finished).to.include({ delivered: 6, failed: 0, skipped: 0 });
    await bus.settled();
    expect(heard).to.deep.equal([1, 2, 99, 3, 4, 5, 6]);
  });

  it('does not wait for a subscription that is removed', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3]);
    const gate = createGate();
    let begun = 0;
    const undo = bus.on(
      'step.*',
      () => {
        begun++;
        return gate.promise;
      },
      { replay: 'only' },
    );
    const { finished } = bus.replay({ into: bus });
    await turnsUntil(() => begun === 1);
    await turn();
    undo();
    gate.open();
    expect(await finished).to.include({ delivered: 1, skipped: 2 });
  });

  it('cannot be asked for together with a group', async () => {
    const { bus } = await createLived();
    const on = (options: object) => codeOf(() => bus.on('a.b', () => undefined, options));
    expect(on({ replay: 'both', group: 'g' })).to.equal('INVALID_OPTION');
    expect(on({ replay: true })).to.equal('INVALID_OPTION');
  });

  it('hands an event that several hear to each unchanged', async () => {
    const { bus } = await createLived();
    await bus.publish('step.taken', { n: 1 });
    // What an upcaster makes is nobody's yet, and not frozen.
    bus.schemas.register('step.taken', 2, undefined, { upcast });
    const result = await bus.replay({
      into: {
        'step.*': ({ payload }) => void ((payload as { deep: { n: number } }).deep.n = 2),
        '*.taken': ({ payload }) => expect(payload).to.deep.equal({ deep: { n: 1 } }),
      },
    }).finished;
    expect(result).to.include({ delivered: 1, failed: 1 });
    expect(result.failures[0]!.error.message).to.match(/read only property 'n'/);
  });
});
