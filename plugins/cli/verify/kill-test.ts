import { systemClock } from '../../../lib/plugin.ts';
import type { Store, StoredEvent } from '../../../lib/plugin.ts';
import { Broken } from './broken.ts';
import type { Acknowledged } from './child.ts';
import { startChild } from './child.ts';
import type { Specimen } from './subject.ts';

export interface KillReport {
  readonly kills: number;
  /** Appends that the killed processes had an answer for. */
  readonly acknowledged: number;
}

const PATIENCE_MS = 30_000;

/** Kills a process that appends, again and again, and holds what is there against what was acknowledged. */
export async function killTest(specimen: Specimen, kills: number): Promise<KillReport> {
  let acknowledged = 0;
  let store: Store | undefined;
  for (let kill = 0; kill < kills; kill++) {
    const acks = await appendUntilKilled(specimen, `k${kill}`, 3 + kill * 5, momentOf(kill));
    acknowledged += acks.length;
    store = await specimen.create(systemClock);
    try {
      await store.open();
    } catch (error) {
      throw new Broken('P4', `it does not open behind kill ${kill + 1}: ${(error as Error).message}`);
    }
    try {
      await compare(store, acks, kill);
    } finally {
      await store.close();
    }
  }
  return { kills, acknowledged };
}

/** How long after an answer it comes, ms: a commit may be hit at its beginning, in the middle and at its end. */
const momentOf = (kill: number): number => (kill * 13) % 50;

/** Lets a process of its own append, and kills it so long after so many answers. */
async function appendUntilKilled(
  specimen: Specimen,
  label: string,
  answers: number,
  afterMs: number,
): Promise<readonly Acknowledged[]> {
  let moment: NodeJS.Timeout | undefined;
  const child = startChild('kill-child', [JSON.stringify(specimen.reach), label], (answered) => {
    if (answered >= answers) moment ??= setTimeout(() => child.kill(), afterMs);
  });
  const timer = setTimeout(() => child.kill(), PATIENCE_MS);
  const { acks, isKilled, problem } = await child.ended.finally(() => {
    clearTimeout(timer);
    clearTimeout(moment);
  });
  if (isKilled && acks.length > 0) return acks;
  throw new Broken('P1', `the process that was to be killed appended nothing: ${problem}`);
}

async function compare(store: Store, acks: readonly Acknowledged[], kill: number): Promise<void> {
  const events = await readAll(store);
  const byId = new Map(events.map((event) => [event.id, event]));
  if (byId.size < events.length) throw new Broken('P2', `${events.length - byId.size} ids are there twice`);
  for (const { batch, size, position } of acks)
    for (let i = 0; i < size; i++) {
      const event = byId.get(`${batch}-${i}`);
      if (event?.position === position + i) continue;
      const found = event === undefined ? 'lost' : `at position ${event.position}`;
      throw new Broken(
        'P1',
        `acknowledged at position ${position + i} before kill ${kill + 1}, and now ${found}: ${batch}-${i}`,
      );
    }
  mustBeWhole(events);
  const last = acks.at(-1)!;
  const again = events.filter(({ id }) => id.startsWith(`${last.batch}-`));
  const receipt = await store.append(again);
  if (!receipt.duplicate || receipt.position !== last.position)
    throw new Broken(
      'P2',
      `batch ${last.batch}, sent again, came to position ${receipt.position} instead of ${last.position}`,
    );
}

/** No hole, and no half of a batch, whether it was acknowledged or not. */
function mustBeWhole(events: readonly StoredEvent[]): void {
  const batches = new Map<string, number[]>();
  for (const [i, { id, position }] of events.entries()) {
    if (position !== i + 1) throw new Broken('P5', `expected position ${i + 1}, found ${position}`);
    const batch = id.slice(0, id.lastIndexOf('-'));
    batches.set(batch, [...(batches.get(batch) ?? []), position]);
  }
  for (const [batch, positions] of batches) {
    const { size } = events[positions[0]! - 1]!.payload as { readonly size: number };
    if (positions.length !== size)
      throw new Broken('P3', `of batch ${batch} ${positions.length} events of ${size} are there`);
    if (positions.at(-1)! - positions[0]! !== size - 1) throw new Broken('P3', `batch ${batch} is not in one piece`);
  }
}

async function readAll(store: Store): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read()) events.push(event);
  return events;
}
