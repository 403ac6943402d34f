import { expect } from 'chai';
import fc from 'fast-check';
import { createTestBus } from '../../lib/testing.ts';
import { codeOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, type Gate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

/** An answerer that answers what it is told to, when it is told to. */
async function createHeld() {
  const test = await createTestBus();
  const gates = new Map<unknown, Gate<unknown>>();
  let aborted = 0;
  test.bus.answer(
    'job',
    ({ payload }, { signal }) => {
      signal.addEventListener('abort', () => aborted++);
      const gate = createGate<unknown>();
      gates.set(payload, gate);
      return gate.promise;
    },
    { concurrency: 100 },
  );
  return { ...test, gates, aborted: () => aborted };
}

function* naturals(): Generator<number> {
  for (let n = 0; ; n++) yield n;
}

describe('askEach', () => {
  refuseUnhandledRejections();

  it('gives answers as they come, failed ones too, each with its request', async () => {
    const { bus, gates } = await createHeld();
    const answers = bus.askEach('job', [10, 11, 12]);
    const first = answers.next();
    await turn();
    gates.get(12)!.open('c');
    const { value } = await first;
    expect(value).to.deep.include({ ok: true, value: 'c', index: 2 });
    expect(value?.event).to.include({ type: 'job', payload: 12 });
    gates.get(10)!.fail(new Error('no'));
    const second = (await answers.next()).value;
    expect(second).to.deep.include({ ok: false, index: 0 });
    expect(second).to.have.nested.property('error.code', 'ASK_FAILED');
    gates.get(11)!.open('b');
    expect((await answers.next()).value).to.include({ ok: true, value: 'b' });
    expect(await answers.next()).to.deep.equal({ value: undefined, done: true });
  });

  it('takes no more payloads than are asked or wait to be read', async () => {
    const { bus, gates } = await createHeld();
    let pulled = 0;
    const payloads = (function* () {
      for (const n of naturals()) {
        pulled++;
        yield n;
      }
    })();
    const answers = bus.askEach('job', payloads, { concurrency: 3 });
    await turn();
    expect(pulled, 'before the first is read').to.equal(0);
    const first = answers.next();
    await turn();
    expect(gates.size).to.equal(3);
    for (const gate of gates.values()) gate.open(1);
    await first;
    await turn();
    expect(gates.size, 'one was read').to.equal(4);
    expect(pulled).to.be.at.most(4);
    await answers.return!();
  });

  it('gives up what is open where the loop is left, and ends the payloads', async () => {
    const { bus, gates, aborted } = await createHeld();
    let ended = false;
    const payloads = (async function* () {
      try {
        yield* naturals();
      } finally {
        ended = true;
      }
    })();
    void turn().then(() => gates.get(1)!.open('x'));
    for await (const { index } of bus.askEach('job', payloads, { concurrency: 4 })) {
      expect(index).to.equal(1);
      break;
    }
    await turn();
    expect(ended).to.equal(true);
    expect(aborted()).to.equal(gates.size - 1);
    expect(bus.metrics().asks).to.include({ waiting: 0, answered: 1 });
  });

  it('has a timeout for each', async () => {
    const { bus, clock } = await createHeld();
    const answers = bus.askEach('job', [1, 2], { timeout: 100, concurrency: 1 });
    for (let i = 0; i < 2; i++) {
      const next = answers.next();
      await clock.advance(100);
      expect((await next).value).to.have.nested.property('error.code', 'TIMEOUT');
    }
    expect((await answers.next()).done).to.equal(true);
  });

  it('tells a refused payload in its place, without an event, and goes on', async () => {
    const { bus } = await createTestBus();
    bus.answer('job', ({ payload }) => payload);
    const told: unknown[] = [];
    for await (const answer of bus.askEach('job', [1, () => 1, 2]))
      told.push(answer.ok ? answer.value : [answer.error.code, answer.event]);
    expect(told).to.have.deep.members([1, ['PAYLOAD_NOT_PLAIN', undefined], 2]);
  });

  it('tells what the payloads throw after the answers', async () => {
    const { bus } = await createTestBus();
    bus.answer('job', ({ payload }) => payload);
    const thrown = new Error('source broke');
    const payloads = (function* () {
      yield 1;
      throw thrown;
    })();
    const answers = bus.askEach('job', payloads);
    expect((await answers.next()).value).to.include({ value: 1 });
    let caught: unknown;
    try {
      await answers.next();
    } catch (error) {
      caught = error;
    }
    expect(caught).to.equal(thrown);
    expect((await answers.next()).done).to.equal(true);
  });

  it('ends with its signal', async () => {
    const { bus, aborted } = await createHeld();
    const controller = new AbortController();
    const answers = bus.askEach('job', naturals(), { signal: controller.signal, concurrency: 2 });
    const next = answers.next();
    await turn();
    controller.abort(new Error('enough'));
    const error = await rejectionOf(next);
    expect([error.code, (error.cause as Error).message]).to.deep.equal(['ABORTED', 'enough']);
    expect(aborted()).to.equal(2);
    expect((await answers.next()).done).to.equal(true);
    const late = bus.askEach('job', [1], { signal: controller.signal });
    expect((await rejectionOf(late.next())).code).to.equal('ABORTED');
  });

  it('ends with the bus, however many payloads there are', async () => {
    const { bus } = await createTestBus();
    bus.answer('job', ({ payload }) => payload);
    const answers = bus.askEach('job', naturals());
    await answers.next();
    await bus.close();
    const error = await rejectionOf(
      (async () => {
        for await (const answer of answers) expect(answer.ok).to.equal(true);
      })(),
    );
    expect(error.code).to.equal('BUS_CLOSED');
  });

  it('keeps the cause of who asked', async () => {
    const { bus, ofType } = await createTestBus();
    bus.answer('job', ({ payload }) => void bus.emit('made', payload));
    bus.on('go', async () => {
      for await (const _ of bus.askEach('job', [1, 2, 3]));
    });
    const { id } = bus.emit('go', 1);
    await bus.settled();
    expect(ofType('made').map(({ causationId }) => causationId)).to.deep.equal([id, id, id]);
  });

  it('answers each payload once, whatever the concurrency and the order', async () => {
    const runs = fc.asyncProperty(
      fc.array(fc.nat({ max: 3 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 10 }),
      async (delays, concurrency) => {
        const { bus } = await createTestBus();
        let running = 0;
        let most = 0;
        bus.answer(
          'job',
          async ({ payload }) => {
            most = Math.max(most, ++running);
            for (let i = 0; i < Number(payload); i++) await turn();
            running--;
            return payload;
          },
          { concurrency: 100 },
        );
        const seen: number[] = [];
        for await (const answer of bus.askEach('job', delays, { concurrency })) {
          expect(answer).to.deep.include({ ok: true, value: delays[answer.index] });
          seen.push(answer.index);
        }
        expect(seen.toSorted((a, b) => a - b)).to.deep.equal([...delays.keys()]);
        expect(most).to.be.at.most(concurrency);
      },
    );
    await fc.assert(runs, { numRuns: 30 });
  });

  it('refuses bad input at once', async () => {
    const { bus } = await createTestBus();
    const askEach = bus.askEach.bind(bus) as (type: unknown, payloads: unknown, options?: unknown) => unknown;
    expect(codeOf(() => askEach('job', 'text'))).to.equal('INVALID_OPTION');
    expect(codeOf(() => askEach('job', [], { concurrency: 0 }))).to.equal('INVALID_OPTION');
    expect(codeOf(() => askEach('job', [], { id: 'one for all' }))).to.equal('INVALID_OPTION');
    expect(codeOf(() => askEach('job', [], { to: 'all' }))).to.equal('INVALID_OPTION');
  });
});
