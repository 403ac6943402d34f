import { expect } from 'chai';
import { overviewOf } from '../../plugins/cli/overview.ts';
import { lookUp } from '../../plugins/cli/look-up.ts';
import type { FoundEvent } from '../../plugins/cli/look-up.ts';
import { overviewLines } from '../../plugins/cli/render/overview.ts';
import { correlationLines, eventLines } from '../../plugins/cli/render/found.ts';
import { memory } from '../../plugins/memory/index.ts';
import type { Store } from '../../lib/store/port.ts';

const facts = {
  look: { width: 80, colour: false },
  folder: 'log',
  command: (...words: string[]) => `telltale ${words.join(' ')}`,
};

function event(id: string, type: string, correlationId: string, causationId?: string) {
  const cause = causationId === undefined ? {} : { causationId };
  return {
    id,
    type,
    source: 's',
    time: 5,
    correlationId,
    ...cause,
    schemaVersion: 1,
    payload: { reason: 'why' },
    metadata: {},
  };
}

describe('looking at a log', () => {
  let store: Store;

  beforeEach(async () => {
    store = memory();
    await store.open();
    await store.append([
      event('order-1', 'order.placed', 'order-1'),
      event('order-1-a', 'item.packed', 'order-1', 'order-1'),
    ]);
    await store.append([event('order-2', 'order.placed', 'order-2')]);
    await store.append([event('order-1-b', 'item.failed', 'order-1', 'order-1-a')]);
  });
  afterEach(() => store.close());

  it('counts events, types, correlations and failures, the newest first', async () => {
    const overview = await overviewOf(store);
    expect(overview).to.deep.include({ events: 4, position: 4, correlations: 2, failed: 1, deadLetters: 0 });
    expect(overview.types).to.deep.equal([
      { type: 'order.placed', events: 2 },
      { type: 'item.packed', events: 1 },
      { type: 'item.failed', events: 1 },
    ]);
    expect(overview.newest.map(({ correlationId, events, failed }) => [correlationId, events, failed])).to.deep.equal([
      ['order-1', 3, 1],
      ['order-2', 1, 0],
    ]);
  });

  it('counts dead letters apart from failures, and says which handler it was', async () => {
    const error = { name: 'Error', message: 'no good' };
    const letter = { reason: 'handler-failed', recipient: 'item.*', error };
    await store.append([{ ...event('l', '$dead-letter.opened', 'order-1', 'order-1-a'), payload: letter }]);
    const overview = await overviewOf(store);
    expect(overview).to.deep.include({ failed: 1, deadLetters: 1 });
    const text = overviewLines({ ...facts, overview }).join('\n');
    expect(text).to.contain('1 failure and 1 dead letter, the newest:').and.contain('handler of item.*: no good');
  });

  it('is told within 80 columns, with the next command', async () => {
    const lines = overviewLines({ ...facts, overview: await overviewOf(store) });
    expect(lines.filter((line) => line.length > 80)).to.deep.equal([]);
    expect(lines.join('\n'))
      .to.contain('4 events in 2 correlations, up to position 4')
      .and.contain('telltale show log order-1');
  });

  it('says so when there is nothing yet', async () => {
    const empty = memory();
    await empty.open();
    expect(overviewLines({ ...facts, overview: await overviewOf(empty) }).at(-1)).to.equal('no events yet');
  });

  it('finds a correlation by its id, whole', async () => {
    const found = await lookUp(store, 'order-1');
    expect(found).to.include({ kind: 'correlation', correlationId: 'order-1' });
    const lines = correlationLines(facts, found as Parameters<typeof correlationLines>[1]);
    expect(lines.join('\n')).to.contain('3 events').and.contain('1 failure, marked ✗').and.contain('└─ ✗ item.failed');
  });

  it('finds an event by its id, with what it came from and led to', async () => {
    const found = (await lookUp(store, 'order-1-a')) as FoundEvent;
    expect(found.causes.map(({ id }) => id)).to.deep.equal(['order-1']);
    expect(found.effects.map(({ id }) => id)).to.deep.equal(['order-1-a', 'order-1-b']);
    expect(eventLines(facts, found).join('\n'))
      .to.contain('came from')
      .and.contain('led to')
      .and.contain('"reason": "why"');
  });

  it('finds by a beginning that fits only one, and asks back otherwise', async () => {
    expect(await lookUp(store, 'order-1-b')).to.include({ kind: 'event' });
    expect(await lookUp(store, 'order-2…')).to.include({ kind: 'correlation', correlationId: 'order-2' });
    expect(await lookUp(store, 'order')).to.deep.equal({ kind: 'nothing', similar: ['order-1', 'order-2'] });
    expect(await lookUp(store, 'zebra')).to.deep.equal({ kind: 'nothing', similar: [] });
  });
});
