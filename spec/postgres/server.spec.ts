import { expect } from 'chai';
import { ask, ownServer, restartServer, sharedServer } from '../support/postgres-server.ts';

describe('postgres: the server of the specs', function () {
  this.timeout(120_000);

  it('answers', async function () {
    const server = await sharedServer(this);
    const [row] = await ask<{ one: number }>(server, 'SELECT 1 AS one');
    expect(row).to.deep.equal({ one: 1 });
    expect(await sharedServer(this)).to.deep.equal(server);
  });

  it('is restarted only where it is our own', async function () {
    const server = await ownServer(this);
    await ask(server, 'CREATE TABLE kept AS SELECT 1 AS one');
    await restartServer(server);
    expect(await ask(server, 'SELECT one FROM kept')).to.deep.equal([{ one: 1 }]);
    const foreign = { ...server, folder: `${server.folder}-other` };
    let refusal: unknown;
    await restartServer(foreign).catch((error: unknown) => (refusal = error));
    expect(refusal).to.be.an('error').with.property('message').that.includes(foreign.folder);
  });
});
