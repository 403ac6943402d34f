import type { Core } from './core.ts';
import type { RegisteredSchema } from './event/schema-registry.ts';
import { KeptSchemas, type KeptSchema } from './schemas/kept-schemas.ts';
import type { SchemaInfo, Schemas } from './schemas/schemas.ts';

/** Declared schemas are kept from the start on, others as they are registered. */
export function createSchemas(core: Core): Schemas {
  const { store, clock } = core.options;
  const { schemas: registry } = core;
  const kept = new KeptSchemas({
    store,
    clock,
    changed: ({ type, version, hash: before }, { hash: now }) =>
      core.reports.sayOnce('$bus.schema.changed', `${type}@${version}`, { type, version, before, now }),
    failed: (error) => {
      const part = { owner: registry, key: 'schemas', thing: 'keeping schemas in the store', about: {} };
      core.reports.failed('$bus.schemas.failed', part, error, { warn: false });
    },
  });
  core.life.alongside.push(() => kept.written());
  kept.keep(registry.registered());
  const list = async (): Promise<readonly SchemaInfo[]> => {
    const infos = new Map<string, SchemaInfo>();
    const put = (info: SchemaInfo): void => void infos.set(`${info.type}@${info.version}`, info);
    for (const { previousHash: _, ...schema } of await kept.list())
      put({ ...schema, declared: false, current: false, transient: registry.isTransient(schema.type) });
    for (const { type, version, schemas, transient } of registry.list())
      for (const each of new Set([...schemas, version])) {
        const its = infos.get(`${type}@${each}`) ?? (await describeUnkept(kept, registry.registered(type, each)));
        put({ ...its, type, version: each, declared: true, current: each === version, transient });
      }
    return [...infos.values()].toSorted((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : a.version - b.version));
  };
  return {
    register: (type, version, schema, options) => {
      registry.register(type, version, schema, options);
      kept.keep(registry.registered(type, version));
    },
    version: (type) => registry.version(type),
    isTransient: (type) => registry.isTransient(type),
    list,
    get: async (type, version) =>
      (await list()).find(
        (info) => info.type === type && (version === undefined ? info.current : info.version === version),
      ),
  };
}

async function describeUnkept(
  kept: KeptSchemas,
  [registered]: readonly RegisteredSchema[],
): Promise<Partial<KeptSchema>> {
  return registered ? kept.describe(registered) : {};
}
