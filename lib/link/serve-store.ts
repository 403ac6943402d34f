import { TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Fence, PageQuery, PutOptions, Store } from '../store/port.ts';
import type { Range } from '../store/ranges.ts';
import { documentName, servingDocument } from '../store/served-documents.ts';

type Method = (store: Store, ...args: never[]) => Promise<unknown>;

/** What a worker may ask of its parent's store. */
const METHODS: Readonly<Record<string, Method>> = {
  head: (store) => store.head(),
  page: (store, query: PageQuery) => store.page(query),
  find: async (store, ids: readonly string[]) => [...(await store.find(ids))],
  revisions: (store, entities: readonly string[]) => Promise.all(entities.map((entity) => store.revision(entity))),
  remove: (store, ranges: readonly Range[], reason: string, fence?: Fence) => store.remove(ranges, reason, fence),
  removed: (store, range: Range) => store.removed(range),
  rewrite: (store, events: readonly StoredEvent[], fence?: Fence) => store.rewrite(events, fence),
  document: (store, collection: string, key: string) => store.document(collection, key),
  putDocument: (store, collection: string, key: string, value: unknown, options: PutOptions) =>
    servingDocument(store, documentName(collection, key), () => store.putDocument(collection, key, value, options)),
  listDocuments: (store, collection: string) => store.listDocuments(collection),
  deleteDocument: (store, collection: string, key: string, etag?: string) =>
    store.deleteDocument(collection, key, etag),
  size: (store) => store.size(),
};

/** Asks the store what a worker asks. Rejects with `STORE_REQUIRED`, `NOT_SUPPORTED` and what the store rejects with. */
export async function serveStore(store: Store | undefined, method: string, args: readonly unknown[]): Promise<unknown> {
  if (!store) throw new TelltaleError('STORE_REQUIRED', `\`${method}\` needs a store, and the parent's bus has none`);
  if (!Object.hasOwn(METHODS, method))
    throw new TelltaleError('NOT_SUPPORTED', `a worker cannot ask \`${method}\` of its parent`);
  return METHODS[method]!(store, ...(args as never[]));
}
