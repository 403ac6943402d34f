import { expect } from 'chai';
import { dropLog } from '../../plugins/postgres/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { storesOfSuite } from './stores.ts';

describe('postgres: dropLog', function () {
  this.timeout(60_000);
  const stores = storesOfSuite();
  let schema: string;

  beforeEach(() => (schema = stores.schema()));

  const run = (text: string): Promise<unknown> => ask(stores.server, text);
  const tables = async (): Promise<readonly string[]> => {
    const rows = await ask<{ relname: string }>(
      stores.server,
      `SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') ORDER BY relname`,
      [schema],
    );
    return rows.map(({ relname }) => relname);
  };
  const drop = (): Promise<void> => dropLog({ url: stores.server.url, schema });

  it('drops all of a log, its index of texts too, and the schema where nothing else is in it', async () => {
    const store = stores.create({ schema, search: true });
    await store.open();
    await store.append([buildEvent()]);
    await store.close();
    await drop();
    expect(await ask(stores.server, 'SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).to.deep.equal([]);
    await drop();
  });

  it('leaves the tables of other programs beside it, and their schema', async () => {
    const store = stores.create({ schema });
    await store.open();
    await store.close();
    await run(`CREATE TABLE "${schema}".search (mine int)`);
    await drop();
    expect(await tables()).to.deep.equal(['search']);
  });

  it('drops no tables that only have the same names', async () => {
    await run(`CREATE SCHEMA "${schema}"`);
    await run(`CREATE TABLE "${schema}".documents (mine int)`);
    await run(`CREATE TABLE "${schema}".events (mine int)`);
    expect((await rejectionOf(drop())).code).to.equal('STORE_PATH');
    await run(`CREATE TABLE "${schema}".meta (application text, version int)`);
    expect((await rejectionOf(drop())).code).to.equal('STORE_PATH');
    expect(await tables()).to.deep.equal(['documents', 'events', 'meta']);
  });
});
