import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { TelltaleError } from '../../lib/plugin.ts';
import type { StoredDocument } from '../../lib/plugin.ts';
import type { Low } from 'lowdb';
import type { FileSystem } from './file-system.ts';
import { errorCode } from './file-system.ts';
import { readPath, removeIfThere, replaceFile } from './io.ts';
import { decodeLine, encodeLine } from './line.ts';

const STATE = 'state.json';
const SNAPSHOTS = 'snapshots';
/** Every change writes the whole file again, so it has to stay small. */
const MAX_STATE_BYTES = 4 * 1024 * 1024;

interface StateDocument extends StoredDocument {
  readonly collection: string;
}

interface State {
  /** Highest position any document has named: the log must never give one at or below it again. */
  named: number;
  documents: readonly StateDocument[];
}

/**
 * The small changing data beside the log. Collection `snapshots`: one file each. All others: `state.json`, which
 * lowdb holds in memory and writes through an adapter that leaves the old content or the new, whatever happens.
 * Changes come one at a time.
 */
export class DocumentFiles {
  readonly #fs: FileSystem;
  readonly #folder: string;
  readonly #readOnly: boolean;
  #db: Low<State> | undefined;
  #byKey = new Map<string, StateDocument>();

  constructor(fs: FileSystem, folder: string, readOnly: boolean) {
    this.#fs = fs;
    this.#folder = folder;
    this.#readOnly = readOnly;
  }

  get named(): number {
    return this.#db?.data.named ?? 0;
  }

  /** Throws `STORE_CORRUPT` when the file is there and damaged. */
  async open(): Promise<void> {
    const { Low } = await import('lowdb');
    const path = join(this.#folder, STATE);
    this.#db = new Low<State>(
      {
        read: () => readState(this.#fs, path),
        write: (state) => replaceFile(this.#fs, path, [encodeState(state)]),
      },
      { named: 0, documents: [] },
    );
    await this.#load();
    if (!this.#readOnly) await this.#makeSnapshotFolder();
  }

  async get(collection: string, key: string): Promise<StoredDocument | undefined> {
    if (collection === SNAPSHOTS) return readSnapshot(this.#fs, this.#snapshotPath(key));
    if (this.#readOnly) await this.#load();
    const found = this.#byKey.get(nameOf(collection, key));
    return found === undefined ? undefined : copyOf(found);
  }

  async list(collection: string): Promise<readonly StoredDocument[]> {
    if (collection === SNAPSHOTS) return this.#listSnapshots();
    if (this.#readOnly) await this.#load();
    return [...this.#byKey.values()].filter((document) => document.collection === collection).map(copyOf);
  }

  /** Names of the collections that hold a document. */
  async collections(): Promise<readonly string[]> {
    if (this.#readOnly) await this.#load();
    const names = new Set([...this.#byKey.values()].map(({ collection }) => collection));
    const snapshots = await this.#snapshotNames(join(this.#folder, SNAPSHOTS));
    return [...names, ...(snapshots.length > 0 ? [SNAPSHOTS] : [])];
  }

  /** Answers the new etag; `undefined` when the expected one is not there. `named`: the position the value names. */
  async put(
    collection: string,
    key: string,
    value: unknown,
    expectedEtag: string | null | undefined,
    named: number,
  ): Promise<string | undefined> {
    if (expectedEtag !== undefined && ((await this.get(collection, key))?.etag ?? null) !== expectedEtag)
      return undefined;
    const document = { collection, key, value, etag: randomBytes(9).toString('base64url') };
    if (collection === SNAPSHOTS) await this.#putSnapshot(document, named);
    else await this.#write(new Map(this.#byKey).set(nameOf(collection, key), document), named);
    return document.etag;
  }

  async remove(collection: string, key: string, expectedEtag: string | undefined): Promise<boolean> {
    const found = await this.get(collection, key);
    if (found === undefined || (expectedEtag !== undefined && found.etag !== expectedEtag)) return false;
    if (collection === SNAPSHOTS) return this.#removeSnapshot(key);
    const left = new Map(this.#byKey);
    left.delete(nameOf(collection, key));
    await this.#write(left, 0);
    return true;
  }

  async #load(): Promise<void> {
    await this.#db!.read();
    this.#byKey = new Map(
      this.#db!.data.documents.map((document) => [nameOf(document.collection, document.key), document]),
    );
  }

  /** Memory changes only after the disk has: a write that fails leaves both as they were. */
  async #write(documents: Map<string, StateDocument>, named: number): Promise<void> {
    const db = this.#db!;
    const before = db.data;
    db.data = { named: Math.max(before.named, named), documents: [...documents.values()] };
    try {
      await db.write();
    } catch (error) {
      db.data = before;
      throw error;
    }
    this.#byKey = documents;
  }

  async #putSnapshot(document: StateDocument, named: number): Promise<void> {
    if (named > this.named) await this.#write(this.#byKey, named);
    const { key, value, etag } = document;
    await replaceFile(this.#fs, this.#snapshotPath(key), [encodeLine(JSON.stringify({ key, etag, value }))]);
  }

  async #removeSnapshot(key: string): Promise<boolean> {
    await this.#fs.unlink(this.#snapshotPath(key));
    await this.#fs.syncFolder(join(this.#folder, SNAPSHOTS));
    return true;
  }

  async #listSnapshots(): Promise<readonly StoredDocument[]> {
    const folder = join(this.#folder, SNAPSHOTS);
    const found: StoredDocument[] = [];
    for (const name of await this.#snapshotNames(folder)) {
      const document = await readSnapshot(this.#fs, join(folder, name));
      if (document !== undefined) found.push(document);
    }
    return found;
  }

  async #snapshotNames(folder: string): Promise<readonly string[]> {
    if ((await this.#fs.facts(folder)) === undefined) return [];
    return (await this.#fs.list(folder)).filter((name) => name.endsWith('.json'));
  }

  async #makeSnapshotFolder(): Promise<void> {
    const folder = join(this.#folder, SNAPSHOTS);
    if ((await this.#fs.facts(folder)) !== undefined) {
      const left = (await this.#fs.list(folder)).filter((name) => name.endsWith('.tmp'));
      for (const name of left) await removeIfThere(this.#fs, join(folder, name));
      return;
    }
    await this.#fs.makeFolder(folder);
    await this.#fs.syncFolder(this.#folder);
  }

  // Keys are anything; a hash is always a file name.
  #snapshotPath(key: string): string {
    return join(this.#folder, SNAPSHOTS, `${createHash('sha256').update(key).digest('hex').slice(0, 40)}.json`);
  }
}

function nameOf(collection: string, key: string): string {
  return `${collection}\u0000${key}`;
}

/** A reader's own object: changing it must not change what is stored. */
function copyOf({ key, value, etag }: StoredDocument): StoredDocument {
  return { key, value: structuredClone(value), etag };
}

function encodeState(state: State): Buffer {
  const bytes = encodeLine(JSON.stringify(state));
  if (bytes.length <= MAX_STATE_BYTES) return bytes;
  const message = `expected all documents but snapshots to fit ${MAX_STATE_BYTES} bytes, got ${bytes.length}`;
  throw new TelltaleError('DOCUMENT_TOO_LARGE', message, {
    details: { expected: MAX_STATE_BYTES, actual: bytes.length },
  });
}

async function readState(fs: FileSystem, path: string): Promise<State | null> {
  if ((await fs.facts(path)) === undefined) return null;
  return decodeDocument(await readPath(fs, path), path) as unknown as State;
}

async function readSnapshot(fs: FileSystem, path: string): Promise<StoredDocument | undefined> {
  try {
    return decodeDocument(await readPath(fs, path), path) as unknown as StoredDocument;
  } catch (error) {
    // It may be deleted between two steps.
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function decodeDocument(bytes: Buffer, path: string): Record<string, unknown> {
  const line = decodeLine(bytes);
  if (line !== undefined) return line;
  throw new TelltaleError('STORE_CORRUPT', `expected ${path} to be as it was written, its checksum is wrong`, {
    details: { path, offset: 0 },
  });
}
