import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { canonicalJson } from '../event/content-hash.ts';
import { jsonSchemaOf } from '../event/json-schema.ts';
import type { RegisteredSchema } from '../event/schema-registry.ts';
import type { Store, StoredDocument } from '../store/port.ts';

/** A schema as it is kept in the store, for whoever reads the log without the program. */
export interface KeptSchema {
  readonly type: string;
  readonly version: number;
  /** The library that made it. */
  readonly vendor: string;
  /** Draft 2020-12; absent where the library gives none, or where it has more than 64 KiB. */
  readonly jsonSchema?: unknown;
  /** SHA-256 of the JSON Schema, keys sorted, base64url; absent where there is none. */
  readonly hash?: string;
  /** Epoch ms. */
  readonly registeredAt: number;
  /** What it was until then, where it has changed under the same version. */
  readonly previousHash?: string;
}

export interface KeptSchemasPort {
  /** Absent: nothing is kept. */
  readonly store: Store | undefined;
  readonly clock: Clock;
  /** The same type and version had another schema in an earlier run. */
  readonly changed: (before: KeptSchema, now: KeptSchema) => void;
  readonly failed: (error: unknown) => void;
}

/** The collection of documents. */
export const SCHEMAS = 'schemas';
const MAX_BYTES = 64 * 1024;

/**
 * Keeps what is registered as documents of the store, one for each type and version, in the background: nobody who
 * registers waits, and `written` tells when it is done. Failure: reported, and tried again with the next registration.
 */
export class KeptSchemas {
  readonly #port: KeptSchemasPort;
  readonly #waiting: RegisteredSchema[] = [];
  readonly #failed: RegisteredSchema[] = [];
  #turn: Promise<void> = Promise.resolve();

  constructor(port: KeptSchemasPort) {
    this.#port = port;
  }

  keep(schemas: Iterable<RegisteredSchema>): void {
    const { store } = this.#port;
    if (!store || store.supports.readOnly === true) return;
    const idle = this.#waiting.length === 0;
    this.#waiting.push(...schemas);
    // Those of one moment together; and whoever opened the bus may listen before anything is reported.
    if (idle && this.#waiting.length > 0) this.#turn = this.#turn.then(() => this.#writeSome(store));
  }

  /** All that was registered so far is kept, or its failure was reported. Never rejects. */
  written(): Promise<void> {
    return this.#turn;
  }

  async list(): Promise<readonly KeptSchema[]> {
    await this.#turn;
    const documents = (await this.#port.store?.listDocuments(SCHEMAS)) ?? [];
    return documents.map(({ value }) => value as KeptSchema);
  }

  describe(registered: RegisteredSchema): Promise<KeptSchema> {
    return describeSchema(registered, this.#port.clock.now());
  }

  async #writeSome(store: Store): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const schemas = [...this.#failed.splice(0), ...this.#waiting.splice(0)];
    let known: ReadonlyMap<string, StoredDocument>;
    try {
      known = new Map((await store.listDocuments(SCHEMAS)).map((document) => [document.key, document]));
    } catch (error) {
      this.#failed.push(...schemas);
      return this.#port.failed(error);
    }
    for (const schema of schemas)
      // One that cannot be kept keeps no other from it.
      await this.#write(store, schema, known.get(keyOf(schema))).catch((error: unknown) => {
        this.#failed.push(schema);
        this.#port.failed(error);
      });
  }

  async #write(store: Store, schema: RegisteredSchema, document: StoredDocument | undefined): Promise<void> {
    const described = await this.describe(schema);
    const before = document?.value as KeptSchema | undefined;
    if (before && before.hash === described.hash) return;
    const previous = before?.hash === undefined ? {} : { previousHash: before.hash };
    // Another process may write the same at this moment; whichever is last stands.
    await store.putDocument(SCHEMAS, keyOf(schema), { ...described, ...previous });
    if (before?.hash !== undefined && described.hash !== undefined) this.#port.changed(before, described);
  }
}

const keyOf = ({ type, version }: RegisteredSchema): string => `${type}@${version}`;

/** A schema as it is kept, with the hash by which two are compared. */
export async function describeSchema(
  { type, version, schema }: RegisteredSchema,
  registeredAt: number,
): Promise<KeptSchema> {
  const about = { type, version, vendor: schema['~standard'].vendor, registeredAt };
  const jsonSchema = await jsonSchemaOf(schema);
  if (jsonSchema === undefined) return about;
  const text = canonicalJson(jsonSchema);
  const hash = createHash('sha256').update(text).digest('base64url');
  return { ...about, hash, ...(Buffer.byteLength(text) <= MAX_BYTES && { jsonSchema }) };
}
