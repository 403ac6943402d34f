import { TelltaleError } from '../errors.ts';
import type { TypeInfo } from './frames.ts';

/** Refuses two sides that declare a type differently. Throws `SCHEMA_CONFLICT`, which names the type and both versions. */
export function compareTypes(parent: readonly TypeInfo[], worker: readonly TypeInfo[], name: string): void {
  const known = new Map(parent.map((info) => [info.type, info]));
  for (const its of worker) {
    const ours = known.get(its.type);
    const difference = ours && differenceOf(ours, its);
    if (!difference) continue;
    const text = `type \`${its.type}\` is not the same in worker \`${name}\` and in its parent: ${difference}`;
    const details = { type: its.type, parent: ours.version, worker: its.version };
    throw new TelltaleError('SCHEMA_CONFLICT', text, { details });
  }
}

function differenceOf(ours: TypeInfo, its: TypeInfo): string | undefined {
  if (ours.version !== its.version) return `version ${its.version} there, version ${ours.version} here`;
  if (ours.transient !== its.transient)
    return `${its.transient ? 'transient' : 'stored'} there, ${ours.transient ? 'transient' : 'stored'} here, both version ${ours.version}`;
  // Not every library can tell its schema.
  if (ours.hash === undefined || its.hash === undefined || ours.hash === its.hash) return undefined;
  return `version ${its.version} has another schema there than version ${ours.version} here`;
}
