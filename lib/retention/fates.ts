/** Why events go (the first two) or stay. */
export const WHYS = [
  'due',
  'over atMost',
  'no rule',
  'no limit',
  'keepFor',
  'keepPriority',
  'keepUntilProcessedBy',
  'keepCount',
  'keepBytes',
  'keepLatestByEntity',
  'wholeCorrelations',
  'consumer',
  'dead letter',
  'schedule',
  'snapshot',
] as const;

export type Why = (typeof WHYS)[number];

/** What becomes of the events between two positions, both included. */
export interface Fate {
  readonly from: number;
  readonly to: number;
  readonly goes: boolean;
  /** Index of the rule that decided; absent where no rule of yours did. */
  readonly rule?: number;
  /** Its name; `reserved` for the built-in rule, absent where none decided. */
  readonly name?: string;
  readonly why: Why;
  readonly events: number;
  /** Estimated size of these events as JSON. */
  readonly bytes: number;
}

/** As `Fate`, in numbers: the index of a rule book's rule (−1 for none) and of `WHYS`. */
export interface Run {
  readonly from: number;
  readonly to: number;
  readonly rule: number;
  readonly why: number;
  readonly events: number;
  readonly bytes: number;
}

export const codeOf = (why: Why): number => WHYS.indexOf(why);

/** Codes up to this one mean that events go. */
const LAST_GOING = codeOf('over atMost');

export const goesBy = (code: number): boolean => code <= LAST_GOING;

const CHUNK = 512;
const FIELDS = 6;

/** Fates as numbers, 48 bytes each: a plan over a million events may have a million of them. */
export class Runs {
  readonly #chunks: Float64Array[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push({ from, to, rule, why, events, bytes }: Run): void {
    const at = (this.#count % CHUNK) * FIELDS;
    if (at === 0) this.#chunks.push(new Float64Array(CHUNK * FIELDS));
    this.#chunks[this.#chunks.length - 1]!.set([from, to, rule, why, events, bytes], at);
    this.#count++;
  }

  at(index: number): Run {
    const chunk = this.#chunks[Math.floor(index / CHUNK)]!;
    const at = (index % CHUNK) * FIELDS;
    return {
      from: chunk[at]!,
      to: chunk[at + 1]!,
      rule: chunk[at + 2]!,
      why: chunk[at + 3]!,
      events: chunk[at + 4]!,
      bytes: chunk[at + 5]!,
    };
  }
}

/** Fates as one reads them; made while one goes over them. */
export class FateList implements Iterable<Fate> {
  readonly #runs: Runs;
  readonly #names: readonly string[];

  /** `names` of the rules; the last is the built-in one. */
  constructor(runs: Runs, names: readonly string[]) {
    this.#runs = runs;
    this.#names = names;
  }

  /** How many ranges there are. */
  get length(): number {
    return this.#runs.count;
  }

  *[Symbol.iterator](): Generator<Fate, void, undefined> {
    for (let index = 0; index < this.#runs.count; index++) yield this.#fate(this.#runs.at(index));
  }

  toJSON(): readonly Fate[] {
    return [...this];
  }

  #fate({ from, to, rule, why, events, bytes }: Run): Fate {
    const own = rule >= 0 && rule < this.#names.length - 1 ? { rule } : {};
    const named = rule >= 0 ? { name: this.#names[rule]! } : {};
    return { from, to, goes: goesBy(why), ...own, ...named, why: WHYS[why]!, events, bytes };
  }
}
