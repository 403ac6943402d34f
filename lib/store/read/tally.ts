import type { EnvelopeField } from '../../filter/field.ts';
import type { Store, TallyGroup, TallyQuery } from '../port.ts';
import { Slice } from '../slice.ts';
import { hintsWithin, mustGoOn, type ScanOptions } from './scan.ts';

/** What can be counted without reading the events. */
export type Tallied = Pick<TallyQuery, 'by' | 'numbers' | 'bucketMs' | 'limit'>;

const NUMBERS: ReadonlySet<string> = new Set<EnvelopeField>([
  'time',
  'schemaVersion',
  'position',
  'revision',
  'storedAt',
]);

/** Whether every event has a number there. */
export function isNumberField(path: string): path is EnvelopeField {
  return NUMBERS.has(path);
}

/**
 * Lets the store count a window, part by part; a group that several parts have come to is told of by each. Groups are
 * told in the order of their first events. False where the store cannot: then what it told before is to be forgotten.
 */
export async function tallyStored(
  store: Store,
  { where, window, signal, withoutReserved = false }: Omit<ScanOptions, 'descending' | 'pageEvents'>,
  asked: Tallied,
  add: (group: TallyGroup) => void,
): Promise<boolean> {
  if (!store.supports.operations.includes('summarize')) return false;
  const query = { ...hintsWithin({ where, window }), ...asked, withoutReserved, through: window.through };
  const slice = new Slice();
  for (let { after } = window; after < window.through;) {
    mustGoOn(signal);
    const part = await store.summarize({ ...query, after });
    if (part === undefined) return false;
    for (const group of part.groups.toSorted((a, b) => a.first - b.first)) add(group);
    if (part.done) break;
    after = part.looked;
    if (slice.isOver) await slice.rest();
  }
  return true;
}
