import { expect } from 'chai';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvents } from '../support/event-builder.ts';
import { Stores } from './stores.ts';

const stores = new Stores();
const APPENDS = 8;

describe('postgres: partitions smaller than what several writers append', function () {
  this.timeout(120_000);
  let writers: PostgresStore[];

  before(async function () {
    await stores.begin(this);
  });

  async function open(partitionEvents: number): Promise<void> {
    const first = stores.create({ partitionEvents, timeout: '60s' });
    writers = [first, stores.again(first), stores.again(first)];
    for (const writer of writers) await writer.open();
  }

  afterEach(async () => {
    await Promise.all(writers.map((writer) => writer.close()));
    await stores.cleanUp(writers[0]!);
  });

  for (const { partitionEvents, batch, way } of [
    { partitionEvents: 8, batch: 32, way: 'at once' },
    { partitionEvents: 8, batch: 32, way: 'decided' },
    { partitionEvents: 100, batch: 300, way: 'at once' },
  ])
    it(`of ${partitionEvents} events refuse and lose no append of ${batch}, ${way}`, async () => {
      await open(partitionEvents);
      const condition = way === 'decided' ? { expect: { query: { type: 'task.never' }, after: 0 } } : {};
      const ids: string[] = [];
      await Promise.all(
        writers.map(async (writer) => {
          for (let n = 0; n < APPENDS; n++) {
            const events = buildEvents(batch);
            ids.push(...events.map(({ id }) => id));
            await writer.append(events, condition);
          }
        }),
      );
      const stored: string[] = [];
      for await (const { id, position } of writers[0]!.read()) {
        stored.push(id);
        expect(position).to.equal(stored.length);
      }
      expect(stored.toSorted()).to.deep.equal(ids.toSorted());
    });
});
