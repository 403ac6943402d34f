import { isTelltaleError } from '../errors.ts';
import type { ErrorCode, TelltaleError } from '../errors.ts';
import type { Store, StoredDocument } from '../store/port.ts';
import { COPIES } from './target.ts';

/** All documents of a store, by collection. */
export type DocumentSet = ReadonlyMap<string, readonly StoredDocument[]>;

/** What documents are read from. */
export type DocumentSource = Pick<Store, 'collections' | 'listDocuments' | 'document'>;

/** Told what cannot be copied, `collection/key` or `collection/*`; unless it throws, the rest is copied. */
export type Missed = (name: string, why: TelltaleError) => void;

const refuse: Missed = (_, why) => {
  throw why;
};

/** What a copy takes along; `undefined` where the store cannot say which collections it has. */
export async function readDocuments(store: DocumentSource, missed = refuse): Promise<DocumentSet | undefined> {
  const documents = new Map<string, readonly StoredDocument[]>();
  try {
    for (const collection of await collectionsOf(store, missed))
      if (collection !== COPIES) documents.set(collection, await documentsIn(store, collection, missed));
  } catch (error) {
    if (isTelltaleError(error, 'NOT_SUPPORTED')) return undefined;
    throw error;
  }
  return documents;
}

/**
 * Makes the target's documents those of the source, behind the whole log: none of them names a position that is not
 * there. What an earlier call copied and the source has not any more is deleted. Answers how many were written.
 */
export async function writeDocuments(
  store: Store,
  documents: DocumentSet,
  position: number,
  missed = refuse,
): Promise<number> {
  let written = 0;
  const options = position > 0 ? { position } : {};
  for (const collection of await store.collections()) {
    if (collection === COPIES) continue;
    const kept = new Set(documents.get(collection)?.map(({ key }) => key));
    for (const { key } of await store.listDocuments(collection))
      if (!kept.has(key)) await store.deleteDocument(collection, key);
  }
  for (const [collection, list] of documents)
    for (const { key, value } of list) {
      const made = await attempt(() => store.putDocument(collection, key, value, options), ['DOCUMENT_TOO_LARGE']);
      if (isTelltaleError(made)) missed(`${collection}/${key}`, made);
      else written++;
    }
  return written;
}

/** Where a name is damaged, those that can be read. */
async function collectionsOf(store: DocumentSource, missed: Missed): Promise<readonly string[]> {
  const found = await attempt(() => store.collections());
  if (!isTelltaleError(found)) return found;
  const { intact = [], damaged = ['*'] } = found.details as Partial<Record<string, readonly string[]>>;
  for (const name of damaged) missed(`${name}/*`, found);
  return intact;
}

/** Where one is damaged, the others are read one by one. */
async function documentsIn(
  store: DocumentSource,
  collection: string,
  missed: Missed,
): Promise<readonly StoredDocument[]> {
  const found = await attempt(() => store.listDocuments(collection));
  if (!isTelltaleError(found)) return found;
  const { keys } = found.details as { readonly keys?: readonly string[] };
  if (keys === undefined) missed(`${collection}/*`, found);
  const intact: StoredDocument[] = [];
  for (const key of keys ?? []) {
    // A key that is damaged itself is none, or is not found.
    const document = await attempt(() => store.document(collection, key), ['STORE_CORRUPT', 'INVALID_OPTION']);
    if (document === undefined || isTelltaleError(document)) missed(`${collection}/${key}`, document ?? found);
    else intact.push(document);
  }
  return intact;
}

async function attempt<T>(
  work: () => Promise<T>,
  codes: readonly ErrorCode[] = ['STORE_CORRUPT'],
): Promise<T | TelltaleError> {
  try {
    return await work();
  } catch (error) {
    if (isTelltaleError(error) && codes.includes(error.code)) return error;
    throw error;
  }
}
