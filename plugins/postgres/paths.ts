import { createHash } from 'node:crypto';
import { indexedPaths } from '../../lib/plugin.ts';
import type { Bind } from '../../lib/plugin.ts';

export interface PathIndex {
  readonly path: string;
  /** Of its index, without `events_`. */
  readonly name: string;
  readonly expression: string;
}

export function pathIndexes(paths: readonly string[]): PathIndex[] {
  return indexedPaths(paths).map((path) => {
    const digest = createHash('sha256').update(path).digest('hex').slice(0, 16);
    return { path, name: `path_${digest}`, expression: expressionOf(path) };
  });
}

/**
 * The value at a path as 64 bits of its hash: a b-tree takes no key above 2.7 kB, and an insert must never fail for
 * what an index cannot hold. Values of one hash are told apart by whoever reads them.
 */
function expressionOf(path: string): string {
  const [root, ...segments] = path.split('.');
  return hashOf(`((${root})::jsonb #> ARRAY[${segments.map(literal).join(', ')}]::text[])`);
}

/** Holds for all events with one of the values at an indexed path. */
export function isAmong({ expression }: PathIndex, values: readonly unknown[], bind: Bind): string {
  const hashes = values.map((value) => hashOf(`${bind(JSON.stringify(value))}::jsonb`));
  return hashes.length === 1 ? `${expression} = ${hashes[0]}` : `${expression} IN (${hashes.join(', ')})`;
}

/**
 * Holds for all events whose payload has one of the values at the path, by the index over all of it. `undefined` where
 * a segment may be the place in a list, which containment does not know.
 */
export function contains(path: string, values: readonly unknown[], bind: Bind): string | undefined {
  const [root, ...segments] = path.split('.');
  if (root !== 'payload' || segments.some((segment) => /^\d+$/.test(segment))) return undefined;
  const wrap = (value: unknown): unknown => segments.reduceRight((inner, key) => ({ [key]: inner }), value);
  const parts = values.map((value) => `(payload::jsonb) @> ${bind(JSON.stringify(wrap(value)))}::jsonb`);
  return parts.length === 1 ? parts[0] : `(${parts.join(' OR ')})`;
}

function hashOf(json: string): string {
  return `hashtextextended((${json}::text) COLLATE "C", 0)`;
}

function literal(text: string): string {
  // A path's segment goes into the definition of an index, which takes no parameters.
  return text.includes('\\')
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`;
}
