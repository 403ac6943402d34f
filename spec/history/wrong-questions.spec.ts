import { expect } from 'chai';
import { createBus, memory, type Bus } from '../../lib/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const ask = async (asked: () => unknown): Promise<string> => {
  const { code, message } = await rejectionOf(Promise.resolve().then(asked));
  return `${code}: ${message}`;
};

describe('wrong questions', () => {
  let bus: Bus;

  before(async () => {
    bus = await createBus({ store: memory() });
    for (let i = 0; i < 3; i++) await bus.publish('task.done', i, { entity: `task/${i}` });
  });
  after(() => bus.close());

  // `timeline(undefined)` answered with every event there is.
  it('about an id that is none are refused', async () => {
    for (const id of [undefined, null, '', 5, 'x'.repeat(257)] as readonly unknown[] as readonly string[])
      for (const asked of [
        () => bus.get(id),
        () => bus.timeline(id),
        () => bus.tree(id),
        () => bus.causes(id),
        () => bus.effects(id),
        () => bus.effects(id, { within: 'log' }),
        () => bus.join(id, { 'task.done': 1 }),
      ])
        expect(await ask(asked), `${String(asked)} of ${id}`).to.match(/^INVALID_ID: .*1 to 256 bytes/);
  });

  const selecting = (selection: object): readonly (() => unknown)[] => [
    () => bus.query(selection),
    () => bus.count(selection),
    () => bus.search('x', selection),
    () => bus.summarize(selection),
    () => bus.anomalies(selection),
    () => bus.durations({ start: 'a', end: 'b', ...selection }),
    () => bus.fold(0, () => 0, selection),
  ];

  it('about an entity that can be none are refused', async () => {
    for (const entity of ['noslash', '', '/7', 'task/', '*/7', 'a b/7', 7])
      for (const asked of selecting({ entity }))
        expect(await ask(asked), `${String(asked)} of ${entity}`).to.match(
          /^INVALID_ENTITY: .*"kind\/id" or "kind\/\*"/,
        );
    expect(await bus.count({ entity: 'task/*' })).to.equal(3);
    expect(await bus.count({ entity: 'task/2' })).to.equal(1);
  });

  it('with a signal that is none are refused', async () => {
    for (const signal of [{}, null, { aborted: false }, 'soon', new AbortController()])
      for (const asked of selecting({ signal }))
        expect(await ask(asked), String(asked)).to.match(/^INVALID_QUERY: .*`signal` of \w+ to be an AbortSignal/);
  });

  it('after the bus has closed are refused as everything else is', async () => {
    const closed = await createBus({ store: memory() });
    await closed.publish('task.done', null);
    await closed.close();
    for (const asked of [
      () => closed.get('a'),
      () => closed.query(),
      () => closed.query().explain(),
      () => closed.query()[Symbol.asyncIterator]().next(),
      () => closed.count(),
      () => closed.search('x'),
      () => closed.stats(),
      () => closed.summarize(),
      () => closed.anomalies(),
      () => closed.durations({ start: 'a', end: 'b' }),
      () => closed.timeline('c'),
      () => closed.tree('c'),
      () => closed.causes('c'),
      () => closed.effects('c'),
      () => closed.join('c', { a: 1 }),
      () => closed.fold(0, () => 0),
      () => closed.retention.preview(),
      () => closed.retention.enforce(),
      () => closed.retention.clear({ confirm: 'memory' }),
      () => closed.deadLetters.list(),
      () => closed.deadLetters.get('a'),
      () => closed.deadLetters.retry({}),
      () => closed.deadLetters.discard({}),
    ])
      expect(await ask(asked), String(asked)).to.match(/^BUS_CLOSED/);
  });

  it('are answered to handlers that run while the bus closes', async () => {
    const closing = await createBus({ store: memory() });
    let counted: number | undefined;
    closing.on('task.begun', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      counted = await closing.count();
    });
    closing.emit('task.begun', null);
    await closing.close();
    expect(counted).to.equal(1);
  });

  it('about an empty correlation are refused', async () => {
    for (const asked of selecting({ correlationId: '' })) expect(await ask(asked)).to.match(/^INVALID_QUERY/);
  });
});
