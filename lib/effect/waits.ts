/** Which effect waits for which: a ring of them would never end. */
export class Waits {
  readonly #for = new Map<string, string[]>();

  /** Returns the undo; without anybody who waits, nothing is noted. */
  add(waiter: string | undefined, id: string): () => void {
    if (waiter === undefined) return () => undefined;
    const all = this.#for.get(waiter) ?? [];
    this.#for.set(waiter, all);
    all.push(id);
    return () => {
      all.splice(all.indexOf(id), 1);
      if (all.length === 0) this.#for.delete(waiter);
    };
  }

  /** Does this one wait for any of those, at whatever remove? */
  reaches(id: string, targets: readonly string[]): boolean {
    if (targets.length === 0) return false;
    const seen = new Set([id]);
    for (const one of seen) {
      if (targets.includes(one)) return true;
      for (const next of this.#for.get(one) ?? []) seen.add(next);
    }
    return false;
  }
}
