import { createBus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { correlationTree } from './correlation-tree.ts';
import { importStream } from './import-stream.ts';
import type { ImportResult } from './import-stream.ts';
import { commandLine } from './invocation.ts';
import type { Line } from './lines.ts';
import { startProgressLine } from './progress-line.ts';
import { counted } from './render/figures.ts';
import { importSummary } from './render/import-summary.ts';
import type { LargestCorrelation } from './render/import-summary.ts';
import { clean, lookOf, paint } from './render/text.ts';
import type { Look } from './render/text.ts';
import { say } from './say.ts';

export interface Recording {
  /** What the lines come from. */
  readonly name: string;
  readonly lines: AsyncIterable<Line>;
  /** The log. */
  readonly folder: string;
}

const TREE_LINES = 20;

export async function runImport({ name, lines, folder }: Recording): Promise<number> {
  const { jsonFile } = await import('../json-file/index.ts');
  const look = lookOf(process.stdout);
  const store = jsonFile(folder);
  const bus = await createBus({ source: 'import', store });
  try {
    say(`${paint(look, 'bold', 'telltale import')}  ${clean(name)}`);
    say(`  log  ${clean(folder)}  (durability ${store.supports.durability})`);
    const began = performance.now();
    const importing = importStream(bus, lines);
    const progress = startProgressLine(process.stdout, () => `${counted(importing.read(), 'line')} read`);
    const result = await importing.result.finally(() => progress.stop());
    const elapsedMs = performance.now() - began;
    const dangling = await danglingCauses(store);
    const largest = await largestTree(store, result, look);
    importSummary({ look, result, dangling, largest, elapsedMs, folder, command: commandLine }).forEach(say);
    return 0;
  } finally {
    await bus.close();
  }
}

/** Causes that name an event the log does not have, counted once for each event that names them. */
async function danglingCauses(store: Store): Promise<number> {
  let dangling = 0;
  let causes: string[] = [];
  const check = async (): Promise<void> => {
    const known = await store.find([...new Set(causes)]);
    dangling += causes.filter((id) => !known.has(id)).length;
    causes = [];
  };
  for await (const { type, causationId } of store.read()) {
    if (causationId === undefined || type.startsWith('$')) continue;
    causes.push(causationId);
    if (causes.length >= 1_000) await check();
  }
  await check();
  return dangling;
}

async function largestTree(
  store: Store,
  { correlations }: ImportResult,
  look: Look,
): Promise<LargestCorrelation | undefined> {
  const [largest] = correlations.top(1);
  if (!largest) return undefined;
  const [correlationId, events] = largest;
  return { correlationId, events, tree: await correlationTree(store, correlationId, { look, limit: TREE_LINES }) };
}
