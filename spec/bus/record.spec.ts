import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';
import { refusalOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { stall } from '../support/stall.ts';

describe('bus.record', () => {
  it('puts a synchronous run between started and finished, and answers as it does', async () => {
    const { bus, events } = await createTestBus();
    const answer = { rows: 2 };
    expect(bus.record('query', { sql: 'select' }, () => answer)).to.equal(answer);
    expect(events.map(({ type, payload }) => [type, payload])).to.deep.equal([
      ['query.started', { sql: 'select' }],
      ['query.finished', { durationMs: 0, result: { rows: 2 } }],
    ]);
    expect(events[1]).to.include({ causationId: events[0]!.id, correlationId: events[0]!.id });
  });

  it('waits for an asynchronous run and says how long it took', async () => {
    const { bus, clock, ofType } = await createTestBus();
    const run = bus.record('fetch', null, async () => {
      await new Promise<void>((resolve) => void clock.after(250, resolve));
      return 'page';
    });
    expect(ofType('fetch.finished')).to.deep.equal([]);
    await clock.advance(250);
    expect(await run).to.equal('page');
    expect(ofType('fetch.finished')[0]!.payload).to.deep.equal({ durationMs: 250, result: 'page' });
  });

  it('leaves the result out where there is none', async () => {
    const { bus, ofType } = await createTestBus();
    bus.record('tool', undefined, () => undefined);
    expect(ofType('tool.started')[0]!.payload).to.equal(null);
    expect(ofType('tool.finished')[0]!.payload).to.deep.equal({ durationMs: 0 });
  });

  it('tells of a failure with all that is known of the error, and throws the same one', async () => {
    const { bus, ofType } = await createTestBus();
    const error = Object.assign(new TypeError('no such tool'), { code: 'E_TOOL' });
    const thrown = (): never => {
      throw error;
    };
    let caught: unknown;
    try {
      bus.record('tool', null, thrown);
    } catch (one) {
      caught = one;
    }
    expect(caught).to.equal(error);
    await bus.record('tool', null, async () => thrown()).catch((one: unknown) => expect(one).to.equal(error));
    for (const { payload } of ofType('tool.failed')) {
      expect((payload as { error: object }).error).to.include({
        name: 'TypeError',
        message: 'no such tool',
        code: 'E_TOOL',
      });
    }
    expect(ofType('tool.failed')).to.have.length(2);
    expect(ofType('tool.finished')).to.deep.equal([]);
  });

  it('is the cause of what happens inside, across awaits, and has what is around it as its own', async () => {
    const { bus, clock, ofType } = await createTestBus();
    bus.on('task', (event) =>
      bus.record('tool', null, async () => {
        bus.emit('before', null);
        await new Promise<void>((resolve) => void clock.after(10, resolve));
        bus.emit('after', event.id);
      }),
    );
    const task = bus.emit('task', null, { metadata: { userId: 'u', private: 1 } });
    await clock.advance(10);
    const [started] = ofType('tool.started');
    expect(started).to.include({ causationId: task.id, correlationId: task.id });
    for (const type of ['before', 'after', 'tool.finished'])
      expect(ofType(type)[0], type).to.deep.include({
        causationId: started!.id,
        correlationId: task.id,
        metadata: { userId: 'u' },
      });
  });

  it('takes any details and results: what is not plain is made plain', async () => {
    const { bus, events } = await createTestBus();
    bus.record('tool', { at: new Date(0) }, () => new Map([['a', 1]]));
    expect(events[0]!.payload).to.deep.equal({ at: new Date(0).toISOString() });
    expect(events[1]!.payload).to.deep.include({ result: { a: 1 } });
  });

  it('does not run what cannot be recorded', async () => {
    const { bus } = await createTestBus();
    let ran = false;
    await bus.close();
    expect(refusalOf(() => bus.record('tool', null, () => (ran = true))).code).to.equal('BUS_CLOSED');
    expect(ran).to.equal(false);
  });

  it('answers and throws as the run does when the bus cannot take the second event, and reports that', async () => {
    const store = new FlakyStore();
    stall(store);
    const { bus } = await createTestBus({ store, backlog: { events: 1 } });
    const reports: unknown[] = [];
    bus.on('$bus.publish.failed', ({ payload }) => void reports.push(payload));
    expect(bus.record('tool', null, () => 42)).to.equal(42);
    expect(reports[0]).to.include({ type: 'tool.finished', code: 'STORE_BACKLOG_FULL' });
  });

  it('keeps the cause around it where the started event is transient or dropped', async () => {
    const { bus, ofType } = await createTestBus({
      events: { 'quick.started': { transient: true } } as never,
      admit: [(event) => (event.type === 'quiet.started' ? null : event)],
    });
    bus.on('task', ({ payload }) => void bus.record(payload, null, () => bus.emit('inside' as never, null as never)));
    for (const name of ['quick', 'quiet']) {
      const task = bus.emit('task' as never, name as never) as { id: string };
      expect(ofType('inside').at(-1)).to.include({ causationId: task.id, correlationId: task.id });
      expect(ofType(`${name}.finished`)[0]).to.include({ causationId: task.id });
    }
  });
});
