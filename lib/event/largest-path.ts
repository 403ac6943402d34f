/** How many values are looked at before the answer is what is known so far. */
const LOOK_LIMIT = 200_000;
const MAX_DEPTH = 100;

export interface Largest {
  readonly segments: readonly (string | number)[];
  readonly bytes: number;
  readonly total: number;
  /** False if there is more than was looked at. */
  readonly complete: boolean;
}

/** Follows the largest member downwards for as long as it is more than half of its parent. */
export function findLargest(value: unknown): Largest {
  const look = { left: LOOK_LIMIT };
  const total = size(value, 0, look);
  const segments: (string | number)[] = [];
  let bytes = total;
  for (let here = value; segments.length < MAX_DEPTH;) {
    const next = largestMember(here, look);
    if (next === undefined || next.bytes * 2 <= bytes) break;
    segments.push(next.key);
    bytes = next.bytes;
    here = next.value;
  }
  return { segments, bytes, total, complete: look.left >= 0 };
}

interface Member {
  readonly key: string | number;
  readonly value: unknown;
  readonly bytes: number;
}

function largestMember(value: unknown, look: { left: number }): Member | undefined {
  let best: Member | undefined;
  for (const [key, member] of membersOf(value)) {
    const bytes = size(member, 0, look);
    if (best === undefined || bytes > best.bytes) best = { key, value: member, bytes };
  }
  return best;
}

function size(value: unknown, depth: number, look: { left: number }): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + 3;
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return 6;
  let bytes = 3;
  for (const [key, member] of membersOf(value)) {
    if (--look.left < 0) break;
    bytes += (typeof key === 'string' ? key.length + 3 : 0) + size(member, depth + 1, look);
  }
  return bytes;
}

function membersOf(value: unknown): [string | number, unknown][] {
  if (typeof value !== 'object' || value === null) return [];
  try {
    return Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  } catch {
    // A proxy or a getter that throws only now: its size stays unknown.
    return [];
  }
}
