import { expect } from 'chai';
import { messageOf, show, toError } from '../../lib/errors.ts';
import { createBus } from '../../lib/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

const unreadable = (): Error =>
  Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('not for you');
    },
  });

const untouchable = (): object =>
  new Proxy(
    {},
    {
      getPrototypeOf: () => {
        throw new Error('not for you');
      },
      get: () => {
        throw new Error('not for you');
      },
    },
  );

const handlerThat =
  (make: () => object) =>
  ({ payload }: { readonly payload: unknown }): string => {
    // oxlint-disable-next-line typescript/only-throw-error
    if (payload === 'fail') throw make();
    return 'fine';
  };

describe('an error that cannot be read', () => {
  refuseUnhandledRejections();

  for (const [name, make] of Object.entries({ unreadable, untouchable })) {
    it(`is an error like any other to whoever asks: ${name}`, async () => {
      await using bus = await createBus();
      const terms = { concurrency: 1 };
      const fails = handlerThat(make);
      bus.answer('at.once', fails, terms);
      bus.answer('later', async (event) => fails(event), terms);
      for (const type of ['at.once', 'later']) {
        expect((await rejectionOf(bus.ask(type, 'fail'))).code).to.equal('ASK_FAILED');
        expect(await bus.ask(type, 'go')).to.equal('fine');
      }
      expect(bus.metrics().asks).to.include({ answered: 2, failed: 2, waiting: 0 });
    });

    it(`leaves an actor and a handler going: ${name}`, async () => {
      await using bus = await createBus();
      const receive = handlerThat(make);
      const actor = bus.actor('a', {
        initial: 0,
        receive: (_state, event, context) => {
          receive(event);
          context.answer('fine');
        },
        supervise: { strategy: 'resume' },
      });
      expect((await rejectionOf(actor.ask('q', 'fail'))).code).to.equal('ASK_FAILED');
      expect(await actor.ask('q', 'go')).to.equal('fine');
      const seen: unknown[] = [];
      bus.on('a.b', async (event) => {
        receive(event);
        seen.push(event.payload);
      });
      bus.emit('a.b', 'fail');
      bus.emit('a.b', 'go');
      await bus.settled();
      expect(seen).to.deep.equal(['go']);
    });
  }

  it('has words for what is thrown, whatever it is', () => {
    expect(messageOf(unreadable())).to.equal('an error whose message cannot be read');
    expect(messageOf(Object.assign(new Error('x'), { message: 7 }))).to.equal('7 (number)');
    expect(toError(untouchable()).message).to.equal('an object that cannot be looked at');
    expect(messageOf('text')).to.equal('text');
    expect(show((function* () {})())).to.equal('a Generator');
    expect(show(Object.create(null))).to.equal('an object');
  });

  it('says what a generator is where it is no answer', async () => {
    await using bus = await createBus();
    bus.answer('q', () => (function* () {})());
    expect(messageOf(await bus.ask('q', null).catch((error: unknown) => error))).to.include('a Generator');
  });
});
