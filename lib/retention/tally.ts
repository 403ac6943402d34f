import { codeOf, goesBy } from './fates.ts';
import { firstFrom, type Floor, type Protections } from './protections.ts';
import type { ParsedRule } from './rules.ts';

export interface Amount {
  readonly events: number;
  /** Estimated size as JSON. */
  readonly bytes: number;
}

export interface RuleFigures {
  /** Index among your rules; absent for the built-in one. */
  readonly rule?: number;
  readonly name: string;
  /** Of the events it decided about. */
  readonly keeps: Amount;
  readonly removes: Amount;
}

export interface HeldByFloor extends Floor, Amount {}

type Sum = { -readonly [Key in keyof Amount]: Amount[Key] };

const CONSUMER = codeOf('consumer');
const LETTER = codeOf('dead letter');
const SCHEDULE = codeOf('schedule');
const SNAPSHOT = codeOf('snapshot');
const NOTHING: Amount = { events: 0, bytes: 0 };

/** The figures of a plan. */
export class Tally {
  readonly keeps: Sum = { ...NOTHING };
  readonly removes: Sum = { ...NOTHING };
  /** What the rules let go and open letters, snapshots and floors keep. */
  readonly shielded: Record<'letters' | 'schedules' | 'snapshots' | 'consumers', Sum> = {
    letters: { ...NOTHING },
    schedules: { ...NOTHING },
    snapshots: { ...NOTHING },
    consumers: { ...NOTHING },
  };
  readonly #rules: readonly ParsedRule[];
  readonly #byRule: { keeps: Sum; removes: Sum }[];
  readonly #types = new Map<string, number>();
  /** Per number of a type. */
  readonly #counted: number[] = [];
  readonly #keptByType: Sum[] = [];
  readonly #removedByType: Sum[] = [];
  readonly #floors: readonly Floor[];
  readonly #floorPositions: readonly number[];
  /** What lies between a floor and the next. */
  readonly #above: Sum[];

  constructor(rules: readonly ParsedRule[], { floors }: Protections) {
    this.#rules = rules;
    this.#byRule = rules.map(() => ({ keeps: { ...NOTHING }, removes: { ...NOTHING } }));
    this.#floors = floors;
    this.#floorPositions = floors.map(({ position }) => position);
    this.#above = floors.map(() => ({ ...NOTHING }));
  }

  /** Counts an event of the log; answers its type's number. */
  count(type: string): number {
    let number = this.#types.get(type);
    if (number === undefined) {
      this.#types.set(type, (number = this.#types.size));
      this.#counted.push(0);
      this.#keptByType.push({ ...NOTHING });
      this.#removedByType.push({ ...NOTHING });
    }
    this.#counted[number]!++;
    return number;
  }

  /** An event its rule lets go; `shield` is what keeps it all the same, 0 for nothing. */
  wouldGo(position: number, bytes: number, shield: number): void {
    if (shield === CONSUMER) {
      add(this.shielded.consumers, bytes);
      add(this.#above[firstFrom(this.#floorPositions, position) - 1]!, bytes);
    } else if (shield === LETTER) add(this.shielded.letters, bytes);
    else if (shield === SCHEDULE) add(this.shielded.schedules, bytes);
    else if (shield === SNAPSHOT) add(this.shielded.snapshots, bytes);
  }

  decide(rule: number, type: number, bytes: number, why: number): void {
    const goes = goesBy(why);
    add(goes ? this.removes : this.keeps, bytes);
    add((goes ? this.#removedByType : this.#keptByType)[type]!, bytes);
    if (rule >= 0) add(this.#byRule[rule]![goes ? 'removes' : 'keeps'], bytes);
  }

  /** How much each floor keeps that would go; those that keep nothing are left out. */
  floors(): readonly HeldByFloor[] {
    let above: Amount = NOTHING;
    const held = this.#floors.map((floor, at): HeldByFloor => ({ ...floor, ...this.#above[at]! })).toReversed();
    const summed = held.map((floor) => {
      above = { events: above.events + floor.events, bytes: above.bytes + floor.bytes };
      return { ...floor, ...above };
    });
    return summed.toReversed().filter(({ events }) => events > 0);
  }

  byRule(): readonly RuleFigures[] {
    return this.#rules.map(({ index, name }, at) => ({
      ...(index >= 0 && { rule: index }),
      name,
      ...this.#byRule[at]!,
    }));
  }

  /** By type, those with the most bytes going first. */
  byType(): ReadonlyMap<string, { readonly keeps: Amount; readonly removes: Amount }> {
    const figures = [...this.#types].map(
      ([type, number]) => [type, { keeps: this.#keptByType[number]!, removes: this.#removedByType[number]! }] as const,
    );
    return new Map(figures.toSorted(([, a], [, b]) => b.removes.bytes - a.removes.bytes));
  }

  /** Every type there is, with the number of its events. */
  types(): ReadonlyMap<string, number> {
    return new Map([...this.#types].map(([type, number]) => [type, this.#counted[number]!]));
  }
}

function add(sum: Sum, bytes: number): void {
  sum.events++;
  sum.bytes += bytes;
}
