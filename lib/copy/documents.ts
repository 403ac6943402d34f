import { isTelltaleError } from '../errors.ts';
import type { Store, StoredDocument } from '../store/port.ts';
import { COPIES } from './target.ts';

/** All documents of a store, by collection. */
export type DocumentSet = ReadonlyMap<string, readonly StoredDocument[]>;

/** What a copy takes along; `undefined` where the store cannot say which collections it has. */
export async function readDocuments(store: Store): Promise<DocumentSet | undefined> {
  const documents = new Map<string, readonly StoredDocument[]>();
  try {
    for (const collection of await store.collections())
      if (collection !== COPIES) documents.set(collection, await store.listDocuments(collection));
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
export async function writeDocuments(store: Store, documents: DocumentSet, position: number): Promise<number> {
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
      await store.putDocument(collection, key, value, options);
      written++;
    }
  return written;
}
