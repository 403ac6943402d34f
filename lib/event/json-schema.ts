import type { StandardSchema } from './schema.ts';

/** What libraries offer beside `validate`; none of it is certain. */
interface Describable {
  readonly '~standard': StandardSchema['~standard'] & {
    /** Standard JSON Schema, version 1. */
    readonly jsonSchema?: { input?(options: { readonly target: string }): unknown };
  };
  /** arktype. */
  toJsonSchema?(): unknown;
}

const TARGET = 'draft-2020-12';
/** One of these is in every object that is itself a JSON Schema, as those of TypeBox are. */
const KEYWORDS = ['$schema', 'type', 'properties', 'anyOf', 'allOf', 'oneOf', 'enum', 'const', '$ref'];

/**
 * The JSON Schema (draft 2020-12) of what a schema takes in, where its library can give it; undefined where it cannot.
 * What JSON Schema has no words for (a refinement, a date) is left out of it.
 */
export async function jsonSchemaOf(schema: StandardSchema): Promise<unknown> {
  try {
    const described = await describe(schema);
    // A copy: what a library gives may be its own, and may hold what is not plain.
    return described === undefined ? undefined : (JSON.parse(JSON.stringify(described)) as unknown);
  } catch {
    return undefined;
  }
}

async function describe(schema: Describable): Promise<unknown> {
  if ('_zod' in schema) {
    const { z } = await import('zod');
    return z.toJSONSchema(schema as never, { target: TARGET, io: 'input', unrepresentable: 'any' });
  }
  const { jsonSchema } = schema['~standard'];
  if (typeof jsonSchema?.input === 'function') return jsonSchema.input({ target: TARGET });
  if (typeof schema.toJsonSchema === 'function') return schema.toJsonSchema();
  const { '~standard': _, ...rest } = schema as object & Describable;
  return KEYWORDS.some((key) => key in rest) ? rest : undefined;
}
