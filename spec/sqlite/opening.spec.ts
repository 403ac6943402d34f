import { expect } from 'chai';
import type { Head, Store } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from '../../plugins/contract/build-event.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

/** Opens while somebody else commits, right behind the look at the head. */
class Overtaken extends SqliteStore {
  other: Store | undefined;

  protected override async _head(): Promise<Head> {
    const head = await super._head();
    const { other } = this;
    this.other = undefined;
    await other?.append([buildEvent()]);
    return head;
  }
}

describe('sqlite: opening', () => {
  it('tells of a commit that came between the look at the head and the first look for others', async () => {
    const other = freshStore({});
    await other.open();
    await other.append(buildEvents(2));
    const path = pathOf(other);
    const store = new Overtaken(path, parseOptions(path, { pollMs: 2 }), () => loadDriver());
    store.other = other;
    const told = new Promise<number>((resolve) => store.onCommit((events) => resolve(events[0]!.position)));
    await store.open();
    expect(await told).to.equal(3);
    await store.close();
    await other.close();
    cleanUp(other);
  });
});
