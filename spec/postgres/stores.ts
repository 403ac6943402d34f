import type { Context } from 'mocha';
import type { Store } from '../../lib/plugin.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import type { PostgresOptions, PostgresStore } from '../../plugins/postgres/index.ts';
import { dropSchema, schemaName, sharedServer } from '../support/postgres-server.ts';
import type { TestServer } from '../support/postgres-server.ts';

const places = new WeakMap<Store, PostgresOptions & { readonly schema: string }>();

/** For a whole suite, in its `describe`: on the server before its specs, and what `schema` has named is dropped behind each. */
export function storesOfSuite(): Stores {
  const stores = new Stores();
  before(async function () {
    await stores.begin(this);
  });
  afterEach(() => stores.dropSchemas());
  return stores;
}

/** Stores on the shared server, each in a schema of its own; `before` hands over the server or skips. */
export class Stores {
  #server: TestServer | undefined;
  readonly #schemas: string[] = [];

  async begin(test: Context): Promise<void> {
    this.#server = await sharedServer(test);
  }

  get server(): TestServer {
    return this.#server!;
  }

  create(options: PostgresOptions = {}): PostgresStore {
    const all = { poolSize: 4, ...options, schema: options.schema ?? schemaName() };
    const isPlaced = options.url !== undefined || options.pool !== undefined || options.connection !== undefined;
    const store = postgres(isPlaced ? all : { ...all, url: this.server.url });
    places.set(store, all);
    return store;
  }

  schemaOf(store: Store): string {
    return places.get(store)!.schema;
  }

  /** Another store over the same log. */
  again(store: Store, options: PostgresOptions = {}): PostgresStore {
    return this.create({ ...places.get(store)!, ...options });
  }

  /** The name of a schema that `dropSchemas` drops. */
  schema(): string {
    const schema = schemaName();
    this.#schemas.push(schema);
    return schema;
  }

  async dropSchemas(): Promise<void> {
    for (const schema of this.#schemas.splice(0)) await dropSchema(this.server, schema);
  }

  async cleanUp(store: Store): Promise<void> {
    await dropSchema(this.server, this.schemaOf(store));
  }
}
