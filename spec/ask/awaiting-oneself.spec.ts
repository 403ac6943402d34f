import { expect } from 'chai';
import type { Bus } from '../../lib/api.ts';
import type { HandlerContext } from '../../lib/handler-api.ts';
import { TelltaleError } from '../../lib/errors.ts';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

type Attempt = (bus: Bus, context: HandlerContext) => unknown;

/** What would wait for the handler it is called in. */
const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  flush: (bus) => bus.flush(),
  settled: (bus) => bus.settled(),
  close: (bus) => bus.close(),
  'flush behind an await': async (bus) => {
    await turn();
    return bus.flush();
  },
  'close in record': (bus) => bus.record('tool', {}, () => bus.close()),
  'flush in withContext': (bus) => bus.withContext({ correlationId: 'other' }, () => bus.flush()),
};

/** What would wait for the answer it is called for. */
const QUESTIONS: Readonly<Record<string, Attempt>> = {
  'bus.ask': (bus) => bus.ask('self', 1),
  'context.ask': (_, { ask }) => ask('self', 1),
  'ask behind an await': async (bus) => {
    await turn();
    return bus.ask('self', 1);
  },
  'ask of all': (bus) => bus.ask('self', 1, { to: { quorum: 1 } }),
  'ask in record': (bus) => bus.record('tool', {}, () => bus.ask('self', 1)),
  'ask in withContext': (bus) => bus.withContext({ correlationId: 'other' }, () => bus.ask('self', 1)),
  askStream: (bus) => bus.askStream('self', 1).next(),
  askEach: async (bus) => {
    for await (const answer of bus.askEach('self', [1])) if (!answer.ok) throw answer.error;
  },
  'ask through another': (bus) => bus.ask('other', 1),
};

/** Within a few turns of the event loop, and on a clock that stands still. */
async function atOnce<Value>(promise: Promise<Value>): Promise<Value> {
  let settled = false;
  const watch = promise.finally(() => (settled = true));
  watch.catch(() => undefined);
  await turnsUntil(() => settled);
  return promise;
}

function innermost(error: unknown): TelltaleError {
  return error instanceof TelltaleError && error.cause instanceof TelltaleError
    ? innermost(error.cause)
    : (error as TelltaleError);
}

describe('waiting for oneself', () => {
  refuseUnhandledRejections();

  for (const [name, attempt] of Object.entries(ATTEMPTS)) {
    it(`is WOULD_DEADLOCK at once: ${name} in a handler`, async () => {
      const { bus } = await createTestBus();
      const outcome = createGate<TelltaleError>();
      bus.on('go', async (_, context) => outcome.open(await rejectionOf(Promise.resolve(attempt(bus, context)))));
      bus.emit('go', 1);
      expect((await atOnce(outcome.promise)).code).to.equal('WOULD_DEADLOCK');
      await bus.settled();
    });

    it(`is WOULD_DEADLOCK at once: ${name} in an answer`, async () => {
      const { bus } = await createTestBus();
      bus.answer('self', (_, context) => attempt(bus, context));
      const error = await rejectionOf(atOnce(bus.ask('self', 1)));
      expect([error.code, innermost(error).code]).to.deep.equal(['ASK_FAILED', 'WOULD_DEADLOCK']);
    });
  }

  for (const [name, attempt] of Object.entries(QUESTIONS))
    it(`is ASK_CYCLE at once: ${name} in one's own answer`, async () => {
      const { bus } = await createTestBus();
      bus.answer('self', (_, context) => attempt(bus, context), { concurrency: 1 });
      bus.answer('other', (_, { ask }) => ask('self', 1));
      const error = await rejectionOf(atOnce(bus.ask('self', 1)));
      const text = innermost(error).code === 'ASK_NO_QUORUM' ? innermost(error).message : innermost(error).code;
      expect(text).to.equal('ASK_CYCLE');
      expect(bus.metrics().asks.waiting).to.equal(0);
    });

  it('is turned away at once: a publish into one’s own full mailbox that others would wait for', async () => {
    const { bus } = await createTestBus();
    const published: unknown[] = [];
    const handler = async ({ payload }: { payload: unknown }, { publish }: HandlerContext): Promise<void> => {
      if (payload !== 0) return;
      await turn();
      for (const n of [10, 11, 12]) published.push((await publish('loop.turned', n)).position);
    };
    bus.on('loop.turned', handler, { mailbox: { max: 1, overflow: 'wait' } });
    bus.emit('loop.turned', 0);
    await atOnce(bus.settled());
    expect(published).to.have.length(3);
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ reason, error }) => [reason, error.code])).to.deep.equal([
      ['mailbox-full', 'MAILBOX_FULL'],
      ['mailbox-full', 'MAILBOX_FULL'],
    ]);
  });

  it('is told at once: a question into one’s own full mailbox', async () => {
    const { bus } = await createTestBus();
    const codes: unknown[] = [];
    const gate = createGate();
    bus.answer('job', () => gate.promise, { concurrency: 1, mailbox: { max: 1 } });
    bus.on('go', async (_, { ask }) => {
      void ask('job', 1);
      void ask('job', 2);
      codes.push((await rejectionOf(ask('job', 3))).code);
    });
    bus.emit('go', 1);
    await turnsUntil(() => codes.length > 0);
    gate.open();
    await bus.settled();
    expect(codes).to.deep.equal(['MAILBOX_FULL']);
  });

  it('is no waiting for oneself: once for the type that is being handled, told by the next one', async () => {
    const { bus } = await createTestBus();
    const got: unknown[] = [];
    bus.on('go', async ({ payload }, { once }) => {
      if (payload === 1) got.push((await once('go')).payload);
    });
    bus.emit('go', 1);
    bus.emit('go', 2);
    await atOnce(bus.settled());
    expect(got).to.deep.equal([2]);
  });

  it('is over with the handler: what it leaves behind may flush, close and ask', async () => {
    const { bus } = await createTestBus();
    const gate = createGate();
    const done = createGate<unknown>();
    bus.answer('self', ({ payload }) => {
      if (payload === 1)
        void gate.promise.then(async () => {
          await bus.flush();
          done.open(await bus.ask('self', 2));
          return undefined;
        });
      return payload;
    });
    expect(await bus.ask('self', 1)).to.equal(1);
    gate.open();
    expect(await atOnce(done.promise)).to.equal(2);
    await bus.close();
  });
});
