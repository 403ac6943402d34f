import type { FlakyStore } from './flaky-store.ts';

/** Lets no commit end until the answer is called. */
export function stall(store: FlakyStore): () => void {
  const gates: (() => void)[] = [];
  store.gate = new Promise((resolve) => gates.push(resolve));
  return () => gates.forEach((open) => open());
}
