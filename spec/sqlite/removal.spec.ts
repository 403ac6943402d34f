import { expect } from 'chai';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { faulty } from './faulty.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

const STEPS: Readonly<Record<string, RegExp>> = {
  read: /^SELECT .* FROM telltale_events WHERE position = \?$/s,
  bury: /^INSERT INTO telltale_tombstones/,
  delete: /^DELETE FROM telltale_events/,
  commit: /^COMMIT$/,
};

describe('sqlite: removing', () => {
  it('reads, hashes, deletes and commits a large event each in a turn of its own', async () => {
    const seen = new Map<string, number>();
    let turn = 0;
    const driver = faulty((sql) => {
      for (const [step, statement] of Object.entries(STEPS)) if (statement.test(sql)) seen.set(step, turn);
      return undefined;
    });
    const fresh = freshStore({});
    const store = new SqliteStore(
      pathOf(fresh),
      parseOptions(pathOf(fresh), { compressAbove: Infinity }),
      () => driver,
    );
    await store.open();
    await store.append([buildEvent({ payload: 'x'.repeat(100_000) })]);
    seen.clear();
    let next: NodeJS.Immediate;
    const tick = (): void => void (turn++, (next = setImmediate(tick)));
    tick();
    expect(await store.remove([{ from: 1, to: 1 }], 'large')).to.equal(1);
    clearImmediate(next!);
    expect([...seen.keys()]).to.deep.equal(Object.keys(STEPS));
    expect(new Set(seen.values()).size, JSON.stringify([...seen])).to.equal(seen.size);
    await store.close();
    cleanUp(fresh);
  });
});
