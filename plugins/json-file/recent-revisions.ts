/**
 * Revisions of the entities that were written last, so that an append need not look for them in sealed segments.
 * Two generations of bounded size: what is not asked for while one fills is forgotten.
 */
export class RecentRevisions {
  readonly #limit: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(entity: string): number | undefined {
    return this.#young.get(entity) ?? this.#old.get(entity);
  }

  set(entity: string, revision: number): void {
    this.#young.set(entity, revision);
    if (this.#young.size < this.#limit) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
