import { expect } from 'chai';
import { createVirtualClock } from '../../lib/clock.ts';
import type { Range, Store } from '../../lib/plugin.ts';
import { buildEvents } from '../../plugins/contract/build-event.ts';
import { Connection } from '../../plugins/sqlite/connection.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { noteChange } from '../../plugins/sqlite/log.ts';
import { FileWatch } from '../../plugins/sqlite/watching.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

/** One that cannot read as long as it is told so. */
class Reader extends Connection {
  fails = false;

  override all(...given: Parameters<Connection['all']>): ReturnType<Connection['all']> {
    if (this.fails) throw new Error('injected');
    return super.all(...given);
  }
}

describe('sqlite: what other processes remove and rewrite', () => {
  let store: Store;
  let reader: Reader;
  let other: Connection;
  let told: Range[];
  let stop: () => void;
  const clock = createVirtualClock();

  beforeEach(async () => {
    store = freshStore({ pollMs: 60_000 });
    await store.open();
    await store.append(buildEvents(9));
    const open = () => loadDriver().open(pathOf(store));
    [reader, other] = [new Reader(open()), new Connection(open())];
    other.exec('PRAGMA synchronous = OFF');
    told = [];
    const watch = new FileWatch({ reader: () => reader, pollMs: 10, changed: (ranges) => told.push(...ranges) });
    watch.start(reader);
    stop = watch.poll(clock, () => undefined);
  });
  afterEach(async () => {
    stop();
    reader.close();
    other.close();
    await store.close();
    cleanUp(store);
  });

  function change(...positions: readonly number[]): void {
    other.exec('BEGIN IMMEDIATE');
    for (const position of positions) noteChange(other, position, position);
    other.exec('COMMIT');
  }

  it('is told in order of positions', async () => {
    change(7, 3);
    await clock.advance(10);
    change(5);
    await clock.advance(10);
    const ranges = [3, 7, 5].map((position) => ({ from: position, to: position }));
    expect(told).to.deep.equal(ranges);
  });

  it('is told at a later look where one could not read it', async () => {
    reader.fails = true;
    change(3);
    await clock.advance(20);
    expect(told).to.deep.equal([]);
    reader.fails = false;
    await clock.advance(10);
    expect(told).to.deep.equal([{ from: 3, to: 3 }]);
  });

  it('is all of the log where more has changed than is written down', async () => {
    change(...Array.from({ length: 10_001 }, () => 4));
    await clock.advance(10);
    expect(told).to.deep.equal([{ from: 1, to: 9 }]);
  });
});
