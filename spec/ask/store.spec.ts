import { expect } from 'chai';
import { createBus, memory } from '../../lib/index.ts';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

describe('an ask that is stored', () => {
  refuseUnhandledRejections();

  for (const dispatch of ['immediate', 'committed'] as const)
    it(`stores the request and its answer, what was done for it in between (${dispatch})`, async () => {
      const { bus } = await createTestBus({ dispatch });
      bus.answer('price.get', (_, { emit }) => {
        emit('price.looked-up', 1);
        return { cents: 5 };
      });
      expect(await bus.ask('price.get', 'tea', { store: true, entity: 'sku/tea' })).to.deep.equal({ cents: 5 });
      const { events } = await bus.query({ pattern: 'price.*' });
      const request = events.find(({ type }) => type === 'price.get')!;
      const [tree] = await bus.tree(request.correlationId);
      expect(tree?.event).to.include({ type: 'price.get', entity: 'sku/tea' });
      expect(tree?.children.map(({ event }) => event.type)).to.deep.equal(['price.looked-up', '$ask.answered']);
      expect(tree?.children[1]?.event.payload).to.deep.equal({ type: 'price.get', value: { cents: 5 } });
    });

  it('stores what the answerer threw', async () => {
    const { bus } = await createTestBus();
    bus.answer('price.get', () => {
      throw Object.assign(new Error('sold out'), { code: 'E_SOLD' });
    });
    expect((await rejectionOf(bus.ask('price.get', 1, { store: true }))).code).to.equal('ASK_FAILED');
    const { events } = await bus.query({ type: '$ask.failed' });
    expect(events[0]?.payload).to.have.nested.property('error.cause.code', 'E_SOLD');
    expect(events[0]?.causationId).to.equal((await bus.query({ type: 'price.get' })).events[0]?.id);
  });

  it('stores a timeout, each answer of many, and the number of parts of a stream', async () => {
    const { bus, clock } = await createTestBus();
    bus.answer('hang', () => new Promise(() => undefined));
    const asked = rejectionOf(bus.ask('hang', 1, { store: true }));
    await clock.advance(5_000);
    expect((await asked).code).to.equal('TIMEOUT');
    bus.answer('vote', () => 'yes');
    bus.answer('vote', () => Promise.reject(new Error('no')));
    expect(await bus.ask('vote', 1, { to: 'all', store: true })).to.have.length(2);
    bus.answer('tokens', async function* () {
      yield 'a';
      yield 'b';
    });
    for await (const _ of bus.askStream('tokens', 1, { store: true }));
    await bus.flush();
    const { events } = await bus.query({ pattern: '$ask.*' });
    expect(events.map(({ type, payload }) => [type, (payload as { type: string }).type])).to.have.deep.members([
      ['$ask.failed', 'hang'],
      ['$ask.answered', 'vote'],
      ['$ask.failed', 'vote'],
      ['$ask.answered', 'tokens'],
    ]);
    expect(events.find(({ payload }) => (payload as { type: string }).type === 'tokens')?.payload).to.deep.equal({
      type: 'tokens',
      parts: 2,
    });
  });

  it('is the cause of what its answerer emits, as a transient one is not', async () => {
    const { bus, ofType } = await createTestBus();
    bus.answer('price.get', () => void bus.emit('made', 1));
    await bus.ask('price.get', 1);
    await bus.ask('price.get', 1, { store: true });
    const [request] = (await bus.query({ type: 'price.get' })).events;
    expect(ofType('made').map(({ causationId }) => causationId)).to.deep.equal([undefined, request!.id]);
  });

  it('tells a request that is known already, whose answer is in the log', async () => {
    const { bus } = await createTestBus();
    let answered = 0;
    bus.answer('price.get', () => ++answered);
    const options = { store: true, id: 'mine' };
    expect(await bus.ask('price.get', 1, options)).to.equal(1);
    expect((await rejectionOf(bus.ask('price.get', 1, options))).code).to.equal('EVENT_CONFLICT');
    expect((await rejectionOf(bus.ask('price.get', 2, options))).code).to.equal('EVENT_CONFLICT');
    expect(answered).to.equal(1);
    expect(bus.metrics().asks).to.include({ asked: 3, failed: 2, waiting: 0 });
  });

  it('leaves no letter where it is refused', async () => {
    const { bus } = await createTestBus();
    bus.answer('price.get', () => 1);
    expect((await rejectionOf(bus.ask('price.get', Number.NaN, { store: true }))).code).to.equal('PAYLOAD_BAD_NUMBER');
    await bus.flush();
    expect(bus.metrics()).to.deep.include({ deadLetters: 0, stored: 0, refused: 1 });
  });

  it('needs a store', async () => {
    const bus = await createBus();
    bus.answer('price.get', () => 1);
    expect((await rejectionOf(bus.ask('price.get', 1, { store: true }))).code).to.equal('STORE_REQUIRED');
    await bus.close();
  });

  it('is what a replay tells, without asking anybody again', async () => {
    const store = memory();
    const bus = await createBus({ store });
    let answered = 0;
    const heard: unknown[] = [];
    bus.answer('price.get', () => ++answered);
    bus.on('price.get', () => void heard.push(1), { replay: 'only' });
    await bus.ask('price.get', 1, { store: true });
    await bus.replay({ into: bus }).finished;
    expect([answered, heard.length]).to.deep.equal([1, 1]);
    await bus.close();
  });

  it('is refused in a replay that captures, and asked where that is accepted', async () => {
    const { bus } = await createTestBus();
    let answered = 0;
    bus.answer('price.get', () => ++answered);
    bus.emit('go', 1);
    await bus.flush();
    const codes: string[] = [];
    const into = async (_: unknown, { ask }: { ask: typeof bus.ask }): Promise<void> => {
      codes.push((await rejectionOf(bus.ask('price.get', 1))).code);
      codes.push((await rejectionOf(ask('price.get', 1))).code);
      expect(() => bus.askStream('price.get', 1))
        .to.throw()
        .with.property('code', 'REPLAY_CAPTURES');
      expect(() => bus.askEach('price.get', [1]))
        .to.throw()
        .with.property('code', 'REPLAY_CAPTURES');
    };
    await bus.replay({ pattern: 'go', into }).finished;
    expect([codes, answered]).to.deep.equal([['REPLAY_CAPTURES', 'REPLAY_CAPTURES'], 0]);
    const gate = createGate<unknown>();
    await bus.replay({ pattern: 'go', accept: true, into: async () => gate.open(await bus.ask('price.get', 1)) })
      .finished;
    expect(await gate.promise).to.equal(1);
  });
});
