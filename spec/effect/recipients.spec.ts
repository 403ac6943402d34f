import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { logged } from '../support/logged.ts';
import { turn } from '../support/turns.ts';

interface Effecting {
  readonly effect: (name: string, fn: () => unknown) => Promise<unknown>;
}

const handler = async (_: unknown, { effect }: Effecting): Promise<void> => void (await effect('x', () => 1));

async function recipientsOf(store: ReturnType<typeof memory>): Promise<readonly unknown[]> {
  const done = (await logged(store, true)).filter(({ type }) => type === '$effect.done');
  return done.map(({ payload }) => (payload as { recipient: string }).recipient).toSorted();
}

describe('whose an effect is', () => {
  it('tells a consumer, groups, an actor and a subscription of one name apart', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    const ran: string[] = [];
    const notify =
      (who: string) =>
      async (_: unknown, { effect }: Effecting): Promise<void> =>
        void (await effect('notify', () => ran.push(who)));
    bus.consume('billing', 'billing', notify('consumer'));
    bus.on('billing', notify('group'), { group: 'billing' });
    bus.on('*', notify('other group'), { group: 'billing' });
    bus.on('billing', notify('subscription'));
    bus.actor('billing', {
      initial: 0,
      on: ['billing'],
      receive: (_, event, context) => notify('actor')(event, context),
    });
    await bus.publish('billing', null);
    await bus.settled();
    await turn();
    await bus.settled();
    expect(ran.toSorted()).to.deep.equal(['actor', 'consumer', 'group', 'other group', 'subscription']);
    expect(await recipientsOf(store)).to.deep.equal([
      'actor:billing/main',
      'consumer:billing',
      'group:billing/*',
      'group:billing/billing',
      'on:billing',
    ]);
  });

  it('tells several subscriptions of one pattern apart, for transient events too', async () => {
    for (const transient of [false, true]) {
      const store = memory();
      const { bus } = await createTestBus({ store });
      const seen: unknown[] = [];
      const send =
        (who: string) =>
        async (_: unknown, { effect }: Effecting) => {
          seen.push(await effect('send', () => turn().then(() => who)));
        };
      for (const who of ['mail', 'sms', 'fax']) bus.on('a', send(who));
      bus.emit('a', null, { transient });
      await bus.settled();
      expect(seen).to.deep.equal(['mail', 'sms', 'fax']);
      expect(await recipientsOf(store)).to.deep.equal(transient ? [] : ['on:a', 'on:a#2', 'on:a#3']);
    }
  });

  it('gives each of several answerers its own result', async () => {
    const { bus } = await createTestBus({ store: memory() });
    for (const vote of [1, 2, 3]) bus.answer('vote', (_, { effect }) => effect('model', () => turn().then(() => vote)));
    for (const store of [true, false]) {
      const votes = (await bus.ask('vote', null, { to: 'all', store })) as readonly { readonly value: unknown }[];
      expect(votes.map(({ value }) => value)).to.deep.equal([1, 2, 3]);
    }
  });

  it('gives a place that was left to the next one who subscribes, the lowest first', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    const undo = [1, 2, 3].map(() => bus.on('a', handler));
    undo[1]!();
    undo[0]!();
    void bus.once('a');
    bus.on('a', handler);
    bus.emit('a', null);
    await bus.settled();
    expect(await recipientsOf(store)).to.deep.equal(['on:a', 'on:a#3']);
    bus.on('a', handler);
    bus.on('a', handler);
    bus.emit('a', null);
    await bus.settled();
    expect((await recipientsOf(store)).slice(2)).to.deep.equal(['on:a#2', 'on:a#3', 'on:a#3', 'on:a#4'].toSorted());
  });

  it('finds the result of the same subscription after a restart', async () => {
    const store = memory();
    const runs: string[] = [];
    const open = async (fails: boolean) => {
      const { bus } = await createTestBus({ store });
      bus.on('$bus.handler.failed', () => undefined);
      for (const who of ['mail', 'sms'])
        bus.on('a', async (_, { effect }) => {
          await effect('send', () => runs.push(who));
          if (fails) throw new Error('behind the effect');
        });
      return bus;
    };
    const first = await open(true);
    first.emit('a', null);
    await first.settled();
    await first.close();
    const second = await open(false);
    await second.deadLetters.retry({});
    await second.close();
    expect(runs).to.deep.equal(['mail', 'sms']);
  });

  it('tells handlers of a replay that accepts apart by their patterns', async () => {
    const { bus } = await createTestBus({ store: memory() });
    bus.emit('a', null);
    await bus.flush();
    const ran: string[] = [];
    const run =
      (who: string) =>
      (_: unknown, { effect }: Effecting) =>
        effect('x', () => turn().then(() => ran.push(who)));
    await bus.replay({ accept: true, into: { a: run('a'), '*': run('*') } }).finished;
    expect(ran).to.deep.equal(['a', '*']);
  });

  it('keeps results of transient events that share an id apart', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const seen: unknown[] = [];
    let runs = 0;
    bus.on(
      'a',
      async (_, { effect }) => {
        seen.push(await effect('x', () => turn().then(() => ++runs)));
      },
      { concurrency: 2 },
    );
    bus.emit('a', null, { transient: true, id: 'same' });
    bus.emit('a', null, { transient: true, id: 'same' });
    await bus.settled();
    expect(seen).to.deep.equal([1, 2]);
  });
});
