import type { StoredEvent } from '../event/event.ts';
import type { Store } from '../store/port.ts';
import { readPages, RuleBook } from './facts.ts';
import { Keys } from './keys.ts';
import type { Pacer } from './pacer.ts';
import type { MadePlan } from './preview.ts';
import { processedThrough, type Protections } from './protections.ts';

export interface HeldSincePort {
  readonly store: Pick<Store, 'page' | 'head'>;
  readonly pacer: Pacer;
}

/**
 * Correlations that have come to hold something since a plan was made: by new events, and by events of the log that
 * have come under protection. Once held they stay so until the next plan. Reads only what has changed.
 */
export class HeldSince {
  readonly #port: HeldSincePort;
  readonly #plan: MadePlan;
  readonly #book: RuleBook;
  readonly #held = new Keys();
  #readTo: number;
  /** By rule: events above are known to stay. */
  #floors: readonly number[];
  readonly #letters: Set<number>;
  readonly #snapshots: Map<string, number>;

  constructor(port: HeldSincePort, plan: MadePlan) {
    const { protections, rules } = plan;
    this.#port = port;
    this.#plan = plan;
    // The book adds the built-in rule by itself.
    this.#book = new RuleBook(rules.slice(0, -1));
    this.#readTo = plan.head;
    this.#floors = this.#floorsBy(protections);
    this.#letters = new Set(protections.letters);
    this.#snapshots = new Map(protections.snapshots);
  }

  get size(): number {
    return this.#held.size;
  }

  has(correlationId: string): boolean {
    return this.#held.known(correlationId) >= 0;
  }

  async refresh(now: Protections): Promise<void> {
    const { position } = await this.#port.store.head();
    await this.#read(this.#readTo, position, () => true);
    this.#readTo = Math.max(this.#readTo, position);
    await this.#lookAboveFloors(now);
    await this.#lookAtLetters(now);
    await this.#lookBehindSnapshots(now);
  }

  async #lookAboveFloors(now: Protections): Promise<void> {
    const known = this.#floors;
    const floors = this.#floorsBy(now);
    const lower = floors.flatMap((floor, rule) => (floor < known[rule]! ? [rule] : []));
    if (lower.length === 0) return;
    const from = Math.min(...lower.map((rule) => floors[rule]!));
    const to = Math.min(this.#plan.head, Math.max(...lower.map((rule) => known[rule]!)));
    // What no rule decides about stays anyway.
    await this.#read(from, to, (event) => event.position > (floors[this.#book.ruleOf(event)] ?? Infinity));
    this.#floors = floors.map((floor, rule) => Math.min(floor, known[rule]!));
  }

  async #lookAtLetters({ letters }: Protections): Promise<void> {
    for (const position of letters) {
      if (this.#letters.has(position)) continue;
      this.#letters.add(position);
      await this.#read(position - 1, position, () => true);
    }
  }

  async #lookBehindSnapshots({ snapshots }: Protections): Promise<void> {
    for (const [entity, position] of snapshots) {
      const known = this.#snapshots.get(entity) ?? this.#plan.head;
      if (position < known) await this.#read(position, known, (event) => event.entity === entity, entity);
      this.#snapshots.set(entity, Math.min(position, known));
    }
  }

  async #read(after: number, through: number, holds: (event: StoredEvent) => boolean, entity?: string): Promise<void> {
    const { store, pacer } = this.#port;
    for await (const events of readPages(store, after, through, entity)) {
      for (const event of events)
        if (!event.type.startsWith('$') && holds(event)) this.#held.number(event.correlationId);
      if (pacer.isOver) await pacer.rest();
    }
  }

  #floorsBy(protections: Protections): readonly number[] {
    const all = protections.floors[0]?.position ?? Infinity;
    return this.#plan.rules.map((rule) => Math.min(all, processedThrough(rule, protections)));
  }
}
