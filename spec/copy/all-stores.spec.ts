import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { copyStore } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { openStore } from '../../plugins/open.ts';
import { ask, schemaName, sharedServer, urlIn } from '../support/postgres-server.ts';
import { contentOf, fillWithHoles } from './logs.ts';

describe('copyStore between all stores', function () {
  this.timeout(120_000);

  const home = mkdtempSync(join(tmpdir(), 'telltale-all-stores-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  it('hands a log round from store to store, and it comes back as it was', async function () {
    const server = await sharedServer(this);
    const schemas = [schemaName(), schemaName()];
    const [one, two] = schemas.map((schema) => urlIn(server, schema));
    const urls = [
      `file:${home}/a`,
      `sqlite:${home}/b.db`,
      one!,
      'memory:',
      two!,
      `file:${home}/c`,
      one!.replace(schemas[0]!, `${schemas[0]}_b`),
      `sqlite:${home}/d.db`,
      `sqlite:${home}/e.db`,
      'memory:',
      `sqlite:${home}/f.db`,
      `file:${home}/g`,
    ];
    const stores: Store[] = [];
    for (const url of urls) stores.push(await openStore(url));
    try {
      await fillWithHoles(stores[0]!);
      const expected = await contentOf(stores[0]!);
      for (let i = 1; i < stores.length; i++) {
        await copyStore(stores[i - 1]!, stores[i]!);
        const content = await contentOf(stores[i]!);
        for (const [name, value] of Object.entries(expected))
          expect(content, `${name} of store ${i}`).to.have.deep.property(name, value);
      }
    } finally {
      for (const store of stores) await store.close();
      for (const schema of [...schemas, `${schemas[0]}_b`]) await ask(server, `DROP SCHEMA "${schema}" CASCADE`);
    }
  });
});
