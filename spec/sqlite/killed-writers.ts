import { expect } from 'chai';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { verify } from '../../plugins/sqlite/index.ts';
import { Child } from './children.ts';
import type { DriverName } from '../../plugins/sqlite/driver.ts';
import { pathOf } from './files.ts';

/** At a time, so that one is killed while another writes and a third recovers. */
const TOGETHER = 4;

/**
 * Kills so many processes that commit batches to the log of an open store, and asserts that nothing of what they were
 * told is lost, doubled or split. Answers how many events they were told of.
 */
export async function killWriters(store: Store, driver: DriverName, kills: number): Promise<number> {
  const acknowledged = new Map<string, number>();
  for (let seed = 0; seed < kills; seed += TOGETHER) {
    const some = Array.from({ length: Math.min(TOGETHER, kills - seed) }, (_, n) => seed + n);
    for (const lines of await Promise.all(some.map((one) => killOne(pathOf(store), driver, one))))
      note(lines, acknowledged);
    await store.append([buildEvent()]);
  }
  const stored = new Map<string, number>();
  let events = 0;
  for await (const { id, position } of store.read()) {
    stored.set(id, position);
    events++;
  }
  expect(stored.size, 'none is there twice').to.equal(events);
  for (const [id, position] of acknowledged) expect(stored.get(id), id).to.equal(position);
  for (const id of stored.keys()) {
    const batch = /^(.*)-\d+\.(\d)$/.exec(id);
    if (batch === null) continue;
    for (let i = 0; i < Number(batch[2]); i++)
      expect(stored.has(`${batch[1]}-${i}.${batch[2]}`), `all of ${batch[1]}`).to.equal(true);
  }
  expect((await verify(pathOf(store), { driver })).findings).to.deep.equal([]);
  return acknowledged.size;
}

async function killOne(path: string, driver: DriverName, seed: number): Promise<readonly string[]> {
  const child = new Child('batches', driver, path, seed);
  await child.said(3 + (seed % 12) * 4);
  child.kill();
  await child.end();
  return child.lines.slice(1);
}

function note(lines: readonly string[], acknowledged: Map<string, number>): void {
  for (const line of lines) {
    const words = line.split(' ');
    for (let i = 0; i < words.length; i += 2) acknowledged.set(words[i]!, Number(words[i + 1]));
  }
}
