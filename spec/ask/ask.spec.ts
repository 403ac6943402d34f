import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';
import { expectBalanced } from '../support/balance.ts';
import { codeOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil, warningsOf, type Gate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

describe('ask', () => {
  refuseUnhandledRejections();

  it('resolves with what the handler answers, at once or later', async () => {
    const { bus } = await createTestBus();
    bus.answer('price.get', ({ payload }) => ({ cents: Number(payload) * 100 }));
    bus.answer('stock.get', async ({ payload }) => {
      await turn();
      return [payload];
    });
    expect(await bus.ask('price.get', 2)).to.deep.equal({ cents: 200 });
    expect(await bus.ask('stock.get', 3)).to.deep.equal([3]);
  });

  it('resolves with undefined and null as they are', async () => {
    const { bus } = await createTestBus();
    bus.answer('nothing.get', () => undefined);
    bus.answer('null.get', () => null);
    expect(await bus.ask('nothing.get', 1)).to.equal(undefined);
    expect(await bus.ask('null.get', 1)).to.equal(null);
  });

  it('is refused at once where nobody answers, and nothing is emitted', async () => {
    const { bus, events } = await createTestBus();
    bus.on('price.get', () => 1);
    const error = await rejectionOf(bus.ask('price.get', 1));
    expect(error.code).to.equal('ASK_NO_ANSWERER');
    expect(error.message).to.equal('asked `price.get`, but nobody answers it');
    expect(events).to.deep.equal([]);
  });

  it('is refused at once where no filter of an answerer takes the request', async () => {
    const { bus } = await createTestBus();
    bus.answer('price.get', () => 'eu', { where: { 'payload.region': 'eu' } });
    expect(await bus.ask('price.get', { region: 'eu' })).to.equal('eu');
    expect((await rejectionOf(bus.ask('price.get', { region: 'us' }))).code).to.equal('ASK_NO_ANSWERER');
  });

  it('lets plain subscriptions hear the request, transient, and leaves emitted events of the type alone', async () => {
    const { bus, events } = await createTestBus();
    const heard: unknown[] = [];
    let answered = 0;
    bus.on('price.*', ({ payload }) => void heard.push(payload));
    bus.answer('price.get', () => ++answered);
    await bus.ask('price.get', 1, { entity: 'sku/1', metadata: { userId: 'ann' } });
    bus.emit('price.get', 2);
    await bus.flush();
    expect(heard).to.deep.equal([1, 2]);
    expect(answered).to.equal(1);
    expect(await bus.count()).to.equal(1);
    expect(events[0]).to.deep.include({ entity: 'sku/1', metadata: { userId: 'ann' } });
    expect(bus.metrics()).to.include({ transient: 1, stored: 1, unheard: 0 });
  });

  it('takes its place in dispatch order', async () => {
    const { bus } = await createTestBus();
    const order: string[] = [];
    bus.on('config.changed', () => void order.push('changed'));
    bus.answer('config.get', () => void order.push('answered'));
    bus.on('go', async (_, { emit, ask }) => {
      emit('config.changed', 1);
      const asked = ask('config.get', 1);
      order.push('asked');
      await asked;
    });
    bus.emit('go', 1);
    await bus.settled();
    expect(order).to.deep.equal(['asked', 'changed', 'answered']);
  });

  it('asks those who answer a type by turns, and whoever has most free credit', async () => {
    const { bus } = await createTestBus();
    const gates: Gate[] = [];
    const busy = async (name: string): Promise<string> => {
      const gate = createGate();
      gates.push(gate);
      await gate.promise;
      return name;
    };
    bus.answer('job', () => busy('a'), { concurrency: 2 });
    bus.answer('job', () => busy('b'), { concurrency: 3 });
    const asked = Array.from({ length: 5 }, () => bus.ask('job', 1));
    for (const gate of gates) gate.open();
    expect(await Promise.all(asked)).to.have.members(['a', 'a', 'b', 'b', 'b']);
    bus.answer('idle', () => 'a');
    bus.answer('idle', () => 'b');
    const turns = [await bus.ask('idle', 1), await bus.ask('idle', 1), await bus.ask('idle', 1)];
    expect(turns).to.deep.equal(['a', 'b', 'a']);
  });

  it('answers 16 at once by default, one after the other within a key', async () => {
    const { bus } = await createTestBus();
    let running = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await turn();
      running--;
    };
    bus.answer('any', work);
    bus.answer('keyed', work, { key: 'payload.k' });
    await Promise.all(Array.from({ length: 40 }, () => bus.ask('any', 1)));
    expect(most).to.equal(16);
    most = 0;
    await Promise.all(Array.from({ length: 40 }, (_, i) => bus.ask('keyed', { k: i % 3 })));
    expect(most).to.equal(3);
  });

  it('is refused at once with MAILBOX_FULL where too many wait', async () => {
    const { bus } = await createTestBus({ mailbox: { overflow: 'wait' } });
    const gate = createGate<string>();
    bus.answer('slow', () => gate.promise, { concurrency: 1, mailbox: { max: 2 } });
    const asked = [1, 2, 3].map((n) => bus.ask('slow', n));
    const error = await rejectionOf(bus.ask('slow', 4));
    expect(error.code).to.equal('MAILBOX_FULL');
    expect(error.message).to.contain('2 of 2 events');
    gate.open('done');
    expect(await Promise.all(asked)).to.deep.equal(['done', 'done', 'done']);
    await bus.settled();
    const [figures] = bus.metrics().subscriptions.filter(({ pattern }) => pattern === 'slow');
    expect(figures).to.include({ routed: 4, handled: 3, dropped: 1 });
    expectBalanced(figures!);
    expect(bus.metrics().deadLetters).to.equal(0);
  });

  it('hands what waits for an answerer that goes to another one, or says that nobody is left', async () => {
    const { bus } = await createTestBus();
    const gate = createGate<string>();
    const leave = bus.answer('job', () => gate.promise, { concurrency: 1 });
    const running = bus.ask('job', 1);
    const waiting = bus.ask('job', 2);
    bus.answer('job', () => 'other', { where: { payload: 2 } });
    const stranded = bus.ask('job', 3);
    leave();
    expect(await waiting).to.equal('other');
    expect((await rejectionOf(stranded)).code).to.equal('ASK_NO_ANSWERER');
    gate.open('late but wanted');
    expect(await running).to.equal('late but wanted');
    expect(bus.metrics().asks).to.deep.equal({ asked: 3, answered: 2, failed: 1, waiting: 0, late: 0 });
  });

  it('ends an answerer through its undo, `using` and its signal', async () => {
    const { bus } = await createTestBus();
    const controller = new AbortController();
    bus.answer('a', () => 1, { signal: controller.signal });
    {
      using _ = bus.answer('b', () => 1);
      expect(await bus.ask('b', 1)).to.equal(1);
    }
    controller.abort();
    expect(bus.answer('c', () => 1, { signal: controller.signal })).to.be.a('function');
    for (const type of ['a', 'b', 'c'])
      expect((await rejectionOf(bus.ask(type, 1))).code, type).to.equal('ASK_NO_ANSWERER');
  });

  it('gives what the answerer threw as the cause of ASK_FAILED, and tells nobody else', async () => {
    const { bus } = await createTestBus();
    const thrown = Object.assign(new AggregateError([new TypeError('inner')], 'two tries'), { code: 'E_TRIES' });
    bus.answer('sync', () => {
      throw thrown;
    });
    bus.answer('async', () => Promise.reject(thrown));
    const warnings = await warningsOf(async () => {
      for (const type of ['sync', 'async']) {
        const error = await rejectionOf(bus.ask(type, 1));
        expect(error.code).to.equal('ASK_FAILED');
        expect(error.message).to.equal(`the answerer of \`${type}\` failed: two tries`);
        expect(error.cause).to.equal(thrown);
      }
    });
    expect(warnings).to.deep.equal([]);
    expect(bus.metrics().deadLetters).to.equal(0);
    expect(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'sync')).to.include({ failed: 1 });
  });

  it('checks and copies an answer as it does a payload', async () => {
    const { bus } = await createTestBus();
    const own = { list: [1] };
    bus.answer('own', () => own);
    bus.answer('date', () => ({ at: new Date() }));
    const answer: { list: number[] } = await bus.ask('own', 1);
    own.list.push(2);
    expect(answer).to.deep.equal({ list: [1] });
    expect(Object.isFrozen(answer.list)).to.equal(true);
    const { code, cause } = await rejectionOf(bus.ask('date', 1));
    expect([code, (cause as { code?: string }).code]).to.deep.equal(['ASK_FAILED', 'PAYLOAD_NOT_PLAIN']);
  });

  it('passes answers as the bus passes payloads: made plain, or trusted', async () => {
    const { bus } = await createTestBus({ payload: 'plain' });
    bus.answer('date', () => new Date(0));
    expect(await bus.ask('date', 1)).to.equal('1970-01-01T00:00:00.000Z');
    const trusting = await createTestBus({ payload: 'trust' });
    const map = new Map();
    trusting.bus.answer('map', () => map);
    expect(await trusting.bus.ask('map', 1)).to.equal(map);
  });

  it('refuses what emit refuses, without a letter', async () => {
    const { bus } = await createTestBus({ admit: [(event) => (event.type === 'secret' ? null : event)] });
    bus.answer('ok', () => 1);
    bus.answer('secret', () => 1);
    expect((await rejectionOf(bus.ask('ok', () => 1))).code).to.equal('PAYLOAD_NOT_PLAIN');
    expect((await rejectionOf(bus.ask('ok', 1, { entity: 'no-slash' }))).code).to.equal('INVALID_ENTITY');
    expect((await rejectionOf(bus.ask('secret', 1))).code).to.equal('ASK_DROPPED');
    expect(bus.metrics().deadLetters).to.equal(0);
    const { offered, accepted, refused, asks } = bus.metrics();
    expect([offered, accepted, refused]).to.deep.equal([3, 0, 3]);
    expect(asks).to.include({ asked: 3, failed: 3, waiting: 0 });
  });

  it('may be left alone by who asked: a failure is counted and no unhandled rejection', async () => {
    const { bus } = await createTestBus();
    void bus.ask('nobody', 1);
    await turn();
    expect(bus.metrics().asks.failed).to.equal(1);
  });

  it('hears nothing of dead letters that are tried again', async () => {
    const { bus } = await createTestBus();
    let answered = 0;
    const failing = { now: true };
    bus.answer('order.place', () => ++answered);
    bus.on('order.place', () => {
      if (failing.now) throw new Error('not yet');
    });
    await warningsOf(() => bus.ask('order.place', 1, { store: true }));
    failing.now = false;
    await turnsUntil(() => bus.metrics().deadLetters === 1);
    const [letter] = await bus.deadLetters.list();
    const report = await bus.deadLetters.retry(letter!.id);
    expect(report).to.include({ closed: 1 });
    expect(answered).to.equal(1);
  });

  it('says who it is for and what it serves in its figures', async () => {
    const { bus } = await createTestBus();
    bus.answer('job', () => 1);
    expect(bus.metrics().subscriptions.at(-1)).to.include({ pattern: 'job', order: 'none' });
  });

  it('refuses bad input by name', async () => {
    const { bus } = await createTestBus();
    const answer = bus.answer.bind(bus) as (type: unknown, handler: unknown, options?: unknown) => unknown;
    const ask = bus.ask.bind(bus) as (type: unknown, payload: unknown, options?: unknown) => Promise<unknown>;
    bus.answer('job', () => 1);
    expect(codeOf(() => answer('job', 1))).to.equal('INVALID_OPTION');
    expect(codeOf(() => answer('job.*', () => 1))).to.equal('INVALID_TYPE');
    expect(codeOf(() => answer('$bus.x', () => 1))).to.equal('RESERVED_TYPE');
    expect(codeOf(() => answer('job', () => 1, { group: 'g' }))).to.equal('INVALID_OPTION');
    expect(codeOf(() => answer('job', () => 1, { mailbox: { overflow: 'wait' } }))).to.equal('INVALID_OPTION');
    expect(codeOf(() => answer('job', () => 1, { where: { nope: 1 } }))).to.equal('INVALID_FILTER');
    for (const options of [
      1,
      { timeout: 0 },
      { to: 'two' },
      { to: { quorum: 0 } },
      { to: { quorum: 1, of: 2 } },
      { store: 1 },
      { signal: 1 },
      { transient: false },
      { concurrency: 1 },
      { unknown: 1 },
    ])
      expect((await rejectionOf(ask('job', 1, options))).code, JSON.stringify(options)).to.equal('INVALID_OPTION');
    expect((await rejectionOf(ask('job', 1, { timeout: 'soon' }))).code).to.equal('INVALID_DURATION');
    expect(bus.metrics().asks).to.include({ asked: 0, waiting: 0 });
  });

  it('of what is no type says so, and not that nobody answers', async () => {
    const { bus } = await createTestBus();
    const ask = bus.ask as (type: unknown, payload: unknown, options?: unknown) => Promise<unknown>;
    for (const type of ['', undefined, null, 7, 'a..b', '*', 'job.*']) {
      expect((await rejectionOf(ask(type, 1))).code, String(type)).to.equal('INVALID_TYPE');
      expect((await rejectionOf(ask(type, 1, { to: 'all' }))).code, String(type)).to.equal('INVALID_TYPE');
      expect((await rejectionOf(bus.askStream(type as string, 1).next())).code, String(type)).to.equal('INVALID_TYPE');
    }
    expect((await rejectionOf(ask('$bus.started', 1))).code).to.equal('RESERVED_TYPE');
    expect(bus.metrics().asks.waiting).to.equal(0);
  });

  it('whose answer is no plain data is told so, of the answer', async () => {
    const { bus } = await createTestBus();
    bus.answer('when', () => ({ at: new Date() }));
    const { cause } = await rejectionOf(bus.ask('when', 1));
    expect((cause as Error).message).to.match(/^answer\.at is /);
    bus.answer('which', () => new Map());
    expect(((await rejectionOf(bus.ask('which', 1))).cause as Error).message).to.match(/^answer is a Map/);
  });
});
