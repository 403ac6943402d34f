import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createBus } from '../../lib/bus.ts';
import type { BusOptions } from '../../lib/options.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { refusalOf } from '../support/code-of.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';

describe('a bus on a store that was opened for reading only', () => {
  let folder: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-read-only-'));
    const bus = await createBus({ store: jsonFile(folder) });
    await bus.publish('task.created', { n: 1 }, { id: 'first' });
    await bus.close();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function start(options: BusOptions = {}) {
    const bus = await createBus({ store: jsonFile(folder, { readOnly: true }), ...options });
    const heard: unknown[] = [];
    bus.on('**', ({ payload }) => void heard.push(payload));
    return { bus, heard };
  }

  for (const dispatch of ['immediate', 'committed'] as const) {
    it(`refuses events at the door and delivers none of them, dispatch \`${dispatch}\``, async () => {
      const { bus, heard } = await start({ dispatch });
      const refusals = [
        refusalOf(() => bus.emit('task.created', 2)),
        await rejectionOf(bus.publish('task.created', 3)),
        await rejectionOf(bus.publish('task.created', 4, { id: 'mine', expect: 'none' })),
        await rejectionOf(bus.batch().add('task.created', 5).commit()),
      ];
      for (const { code, message } of refusals) {
        expect(code).to.equal('STORE_READ_ONLY');
        expect(message).to.include(folder);
      }
      expect(heard).to.deep.equal([]);
      expect(bus.metrics()).to.include({ offered: 4, refused: 4, accepted: 0 });
      expect(await bus.close()).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    });
  }

  it('delivers transient events, reads, and says in its health what it is', async () => {
    const { bus, heard } = await start();
    bus.emit('token', 'a', { transient: true });
    expect(await bus.publish('token', 'b', { transient: true })).to.include({ durability: 'none' });
    expect(heard).to.deep.equal(['a', 'b']);
    expect(await bus.get('first')).to.include({ position: 1 });
    expect((await bus.query()).events).to.have.length(1);
    expect(bus.health()).to.deep.include({ status: 'ok', readOnly: true });
    await bus.flush();
    await bus.close();
  });

  it('keeps its dead letters in memory', async () => {
    const { bus } = await start();
    refusalOf(() => bus.emit('task.created', NaN));
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.include({ reason: 'refused', eventType: 'task.created' });
    expect(await bus.deadLetters.get(letter!.id)).to.deep.equal(letter);
    expect(bus.health()).not.to.have.property('lastError');
    await bus.close();
  });

  it('delivers and counts as unstored where that was asked for', async () => {
    const { bus, heard } = await start({ onStoreFailure: 'live' });
    bus.emit('task.created', 2);
    expect(heard).to.deep.equal([2]);
    expect(bus.metrics()).to.include({ unstored: 1 });
    expect(await bus.close()).to.include({ unstored: 0 });
  });
});
