import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, jsonFile, memory, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { turn } from '../support/turns.ts';

const WRITERS = 4;
const EACH = 1_500;

describe('consumers that catch up while others write', function () {
  this.timeout(60_000);
  let folder: string;
  before(() => (folder = mkdtempSync(join(quickFolder(), 'telltale-catch-up-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const stores: readonly [string, () => Store][] = [
    ['memory', () => memory()],
    ['json-file', () => jsonFile(join(folder, 'log'))],
  ];
  for (const [name, make] of stores)
    it(`miss nothing and are told nothing twice (${name})`, async () => {
      const bus = await createBus({ store: make() });
      const write = async (writer: number): Promise<void> => {
        for (let n = 0; n < EACH; n++) {
          if (n % 10 === 0) await bus.publish('a', n, { entity: `writer/${writer}` });
          else bus.emit('a', n, { entity: `writer/${writer}` });
          if (n % 50 === 0) await turn();
        }
      };
      const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer));
      const seen: number[][] = [];
      const readers = [{}, { key: 'entity' }, { concurrency: 5 }, { key: 'entity', group: true }].map(
        (options, reader) => {
          seen[reader] = [];
          const handler = async ({ position }: StoredEvent): Promise<void> => {
            if (position % 3 === 0) await turn();
            seen[reader]!.push(position);
          };
          return bus.consume(`reader-${reader}`, 'a', handler, options);
        },
      );
      await Promise.all(writers);
      await bus.flush();
      await bus.settled();
      const all = Array.from({ length: WRITERS * EACH }, (_, i) => i + 1);
      expect(seen[0]).to.deep.equal(all);
      for (const positions of seen) expect(positions.toSorted((a, b) => a - b)).to.deep.equal(all);
      for (const { position, lag } of readers) expect([position, lag.events]).to.deep.equal([all.length, 0]);
      await bus.close();
    });
});
