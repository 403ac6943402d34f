import type { RemovedRange, Store } from '../store/port.ts';
import { mergeRanges, subtractRanges } from '../store/ranges.ts';
import type { Range } from '../store/ranges.ts';
import type { Mapping } from './mapping.ts';
import { LEFT_OUT, clipped } from './source.ts';

/** Hears what is removed from the source and rewritten in it, from its making until it is disposed of. */
export class LateChanges {
  readonly #from: Store;
  readonly #to: Store;
  readonly #leave: () => void;
  #heard: Range[] = [];

  constructor(from: Store, to: Store) {
    this.#from = from;
    this.#to = to;
    this.#leave = from.onRemove((ranges) => {
      this.#heard = mergeRanges([...this.#heard, ...ranges]);
    });
  }

  dispose(): void {
    this.#leave();
  }

  /**
   * Carries out in the target what was removed from the source after it was copied, by this call or an earlier one, and
   * what was rewritten since this call began. Erased for good means erased from the copy, too, and so does a content
   * for which `map` now answers null.
   */
  async apply(through: number, mapping: Mapping): Promise<void> {
    if (through === 0) return;
    do {
      const heard = this.#heard;
      this.#heard = [];
      await this.#remove({ from: 1, to: through });
      for (const { from, to } of heard) await this.#rewrite({ from, to: Math.min(to, through) }, mapping);
      // What was heard meanwhile is carried out as well.
    } while (this.#heard.length > 0);
  }

  async #remove(all: Range): Promise<void> {
    const there = mergeRanges(await this.#to.removed(all));
    for (const [reason, ranges] of byReason(clipped(await this.#from.removed(all), all))) {
      const late = subtractRanges(mergeRanges(ranges), there);
      if (late.length > 0) await this.#to.remove(late, reason);
    }
  }

  async #rewrite({ from, to }: Range, mapping: Mapping): Promise<void> {
    for await (const event of this.#from.read({ after: from - 1, through: to, checked: true })) {
      const { position } = event;
      const changed = await mapping(event);
      if (changed === undefined) await this.#to.remove([{ from: position, to: position }], LEFT_OUT);
      // What is left out once stays left out.
      else if (await this.#isThere(position)) await this.#to.rewrite([changed]);
    }
  }

  async #isThere(position: number): Promise<boolean> {
    return (await this.#to.removed({ from: position, to: position })).length === 0;
  }
}

function byReason(ranges: readonly RemovedRange[]): ReadonlyMap<string, readonly Range[]> {
  const found = new Map<string, Range[]>();
  for (const range of ranges) {
    const list = found.get(range.reason);
    if (list === undefined) found.set(range.reason, [range]);
    else list.push(range);
  }
  return found;
}
