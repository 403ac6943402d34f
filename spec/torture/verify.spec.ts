import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { subjectAt } from '../../plugins/cli/verify/subject.ts';
import { verifyStore } from '../../plugins/cli/verify/verify-store.ts';
import { BROKEN_STORES } from '../support/broken-stores.ts';
import { sharedServer, shortSchemaName, urlIn } from '../support/postgres-server.ts';

describe('telltale verify, all of it', function () {
  this.timeout(1_200_000);
  const home = mkdtempSync(join(tmpdir(), 'telltale-verify-all-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  for (const url of ['memory:', `file:${home}/log`, `sqlite:${home}/log.db`])
    it(`passes on ${url.slice(0, url.indexOf(':'))}`, async () => {
      await expectToHold(url);
      expect(readdirSync(home)).to.deep.equal([]);
    });

  it('passes on postgres', async function () {
    const server = await sharedServer(this);
    // Asking for a server has set it to what starting one may take.
    this.timeout(1_200_000);
    const schema = shortSchemaName();
    await expectToHold(urlIn(server, schema));
  });

  for (const { fault, create } of BROKEN_STORES)
    it(`finds ${fault}`, async () => {
      const specimen = { reach: { url: 'memory:' }, create: async () => create(), drop: async () => undefined };
      const { breaches } = await verifyStore({ name: fault, specimen: async () => specimen }, { bail: true });
      expect(breaches.map(({ promise }) => promise)).to.have.length(1);
    });
});

async function expectToHold(url: string): Promise<void> {
  const { breaches, proofs } = await verifyStore(await subjectAt(url, undefined), { kills: 40, events: 20_000 });
  expect(breaches).to.deep.equal([]);
  for (const promise of ['P1', 'P2', 'P3', 'P4', 'P5', 'P7', 'P8', 'P9', 'P10'] as const)
    expect(proofs[promise]?.passed, promise).to.be.greaterThan(0);
}
