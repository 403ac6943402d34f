import { expect } from 'chai';
import { createBus, memory, type Bus } from '../../lib/index.ts';

const LETTERS = '$dead-letter.*';

describe('the bus’s own events', () => {
  let bus: Bus;

  // Two orders and two dead letters, of one correlation.
  before(async () => {
    bus = await createBus({ store: memory(), cache: true });
    // Somebody listens, so nothing is printed.
    bus.on('$bus.**', () => undefined);
    bus.on('order.*', () => {
      throw new Error('no order');
    });
    for (let i = 0; i < 2; i++) bus.emit('order.placed', { i }, { correlationId: 'c', time: 1_000 * i });
    await bus.settled();
    await bus.flush();
  });
  after(() => bus.close());

  const types = async (selection: object): Promise<readonly string[]> =>
    (await bus.query(selection)).events.map(({ type }) => type);

  it('are left out where nothing names them', async () => {
    for (const selection of [{}, { correlationId: 'c' }, { where: { correlationId: 'c' } }, { pattern: '**' }]) {
      expect(await types(selection)).to.deep.equal(['order.placed', 'order.placed']);
      expect(await types({ ...selection, order: 'time', direction: 'backward' })).to.have.length(2);
      expect(await bus.count(selection)).to.equal(2);
      expect((await bus.search('order', selection)).hits).to.have.length(2);
      expect((await bus.summarize(selection)).events).to.equal(2);
      expect((await bus.anomalies(selection)).keys).to.equal(1);
      expect(await bus.fold(0, (count) => count + 1, selection)).to.equal(2);
    }
    expect(await bus.count({ where: { type: '$dead-letter.opened' } })).to.equal(0);
  });

  it('are there where a pattern, a type or an entity names them', async () => {
    for (const selection of [{ pattern: LETTERS }, { type: '$dead-letter.opened' }, { entity: '$dead-letters/*' }]) {
      expect(await types(selection)).to.deep.equal(['$dead-letter.opened', '$dead-letter.opened']);
      expect(await bus.count(selection)).to.equal(2);
      expect((await bus.search('order', selection)).hits).to.have.length(2);
      expect((await bus.summarize(selection)).events).to.equal(2);
      expect(await bus.fold(0, (count) => count + 1, selection)).to.equal(2);
    }
    const { count } = await bus.durations({ start: 'order.placed', end: LETTERS, by: 'causationId' });
    expect(count).to.equal(2);
  });

  it('are no answer from the cache to a question that asks the same without naming them', async () => {
    const entity = '$dead-letters/*';
    expect(await types({ entity })).to.have.length(2);
    expect(await types({ where: { entity } })).to.deep.equal([]);
    expect(await bus.count({ entity })).to.equal(2);
    expect(await bus.count({ where: { entity } })).to.equal(0);
    expect((await bus.search('order', { entity })).hits).to.have.length(2);
    expect((await bus.search('order', { where: { entity } })).hits).to.deep.equal([]);
  });

  it('are counted by `stats` and shown by a timeline, and do not make pages shorter', async () => {
    expect((await bus.stats()).events).to.equal(4);
    expect(await bus.timeline('c')).to.have.length(4);
    expect(await types({ limit: 2 })).to.have.length(2);
    expect(await types({ limit: 1, direction: 'backward' })).to.deep.equal(['order.placed']);
  });
});
