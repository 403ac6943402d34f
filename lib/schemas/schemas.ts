import type { RegisterOptions } from '../event/schema-registry.ts';
import type { StandardSchema } from '../event/schema.ts';
import type { KeptSchema } from './kept-schemas.ts';

/** What is known of one version of a type. */
export interface SchemaInfo extends Partial<Pick<KeptSchema, 'vendor' | 'jsonSchema' | 'hash' | 'registeredAt'>> {
  readonly type: string;
  readonly version: number;
  /** This program declares it; otherwise it is known from the store alone. */
  readonly declared: boolean;
  /** The version this program writes and reads. */
  readonly current: boolean;
  readonly transient: boolean;
}

/** The schemas of a bus. */
export interface Schemas {
  /**
   * Adds one version of a type, at any time; the highest one is current. `upcast` brings payloads of the version before
   * to this one. The schema is kept in the store as JSON Schema where its library can give it. What is refused changes
   * nothing. Throws `INVALID_TYPE`, `RESERVED_TYPE`, `INVALID_OPTION`, `SCHEMA_CONFLICT`.
   */
  register(type: string, version: number, schema?: StandardSchema, options?: RegisterOptions): void;
  /** The current version of a type, 1 if it is not declared. */
  version(type: string): number;
  isTransient(type: string): boolean;
  /** Every version of every type that this program declares or the store keeps, by type and version. */
  list(): Promise<readonly SchemaInfo[]>;
  /** One version of a type; without `version` the current one. */
  get(type: string, version?: number): Promise<SchemaInfo | undefined>;
}
