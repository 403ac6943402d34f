import type { Context } from 'mocha';
import pg from 'pg';
import { dropSchema, schemaName, sharedServer, type TestServer } from '../spec/support/postgres-server.ts';

class Missing extends Error {}

/** The server of the specs, or that of `DATABASE_URL`; `undefined`, and a line that says why, where there is none. */
export async function benchServer(): Promise<TestServer | undefined> {
  const test = {
    timeout: () => undefined,
    skip: () => {
      throw new Missing();
    },
  };
  try {
    return await sharedServer(test as unknown as Context);
  } catch (error) {
    if (error instanceof Missing) return undefined;
    throw error;
  }
}

/** A schema of a round's own, which goes with it. */
export class BenchSchema {
  readonly server: TestServer;
  readonly name = schemaName();

  constructor(server: TestServer) {
    this.server = server;
  }

  async client(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.server.url });
    await client.connect();
    return client;
  }

  async drop(): Promise<void> {
    await dropSchema(this.server, this.name);
  }
}
