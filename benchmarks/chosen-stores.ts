import { parseArgs } from 'node:util';

const STORES = ['json-file', 'sqlite', 'postgres'] as const;

export type StoreName = (typeof STORES)[number];

/** Those of `--store=sqlite,postgres`; all of them where nothing is said. */
export function chosenStores(args: readonly string[] = process.argv.slice(2)): readonly StoreName[] {
  const { values } = parseArgs({ args: [...args], options: { store: { type: 'string' } }, strict: false });
  if (typeof values.store !== 'string') return STORES;
  const asked = values.store.split(',');
  const unknown = asked.filter((name) => !(STORES as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`no store is named ${unknown.join(', ')}; there are ${STORES.join(', ')}`);
  return STORES.filter((name) => asked.includes(name));
}
