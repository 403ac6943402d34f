/** What `piece` takes at best, ms, on the machine on which the limits of the specs were set. */
const PIECE_MS = 1.5;
/** So many, as the first ones are compiled meanwhile, and others meet a busy machine. */
const PIECES = 40;

let slowness: number | undefined;

/**
 * How many times as long this machine takes for its work as the one on which the limits were set, of processor time; 1
 * where it is faster, so that no limit gets stricter. Found out once, in about 100 ms.
 */
export function slownessOfMachine(): number {
  if (slowness !== undefined) return slowness;
  const took = Array.from({ length: PIECES }, () => processorMs(piece));
  slowness = Math.max(1, Math.min(...took) / PIECE_MS);
  return slowness;
}

/** Objects, texts, a map and a sort, as most of the work is. */
function piece(): number {
  const count = 3_000;
  const rows = Array.from({ length: count }, (_, n) => ({ id: `event-${(n * 7_919) % count}`, n, tags: ['a', 'b'] }));
  const byId = new Map(rows.map((row) => [row.id, row]));
  rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  return rows.reduce((sum, { id, n }) => sum + byId.get(id)!.n - n, 0);
}

function processorMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
