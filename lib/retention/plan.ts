import { Chains } from './chains.ts';
import type { Fact } from './facts.ts';
import { codeOf, goesBy, type Run } from './fates.ts';
import { Keys } from './keys.ts';
import { isAmong, processedThrough, type Protections } from './protections.ts';
import { RowChunks, type Rows } from './rows.ts';
import type { ParsedRule } from './rules.ts';
import { Tally } from './tally.ts';

export interface PlanTerms {
  /** The user's rules and, last, the built-in one. */
  readonly rules: readonly ParsedRule[];
  /** The moment `keepFor` counts back from, epoch ms. */
  readonly at: number;
  readonly protections: Protections;
  /** Events decided about; the rest of the log is only counted. Bounds the memory: about 29 bytes an event, and its correlation where that matters. */
  readonly maxEvents: number;
}

const [DUE, CUT] = [codeOf('due'), codeOf('over atMost')];
const [NO_RULE, NO_LIMIT] = [codeOf('no rule'), codeOf('no limit')];
const [KEEP_FOR, KEEP_PRIORITY, UNPROCESSED] = [
  codeOf('keepFor'),
  codeOf('keepPriority'),
  codeOf('keepUntilProcessedBy'),
];
const [KEEP_COUNT, KEEP_BYTES, KEEP_LATEST] = [codeOf('keepCount'), codeOf('keepBytes'), codeOf('keepLatestByEntity')];
const [WHOLE, CONSUMER, LETTER, SCHEDULE, SNAPSHOT] = [
  codeOf('wholeCorrelations'),
  codeOf('consumer'),
  codeOf('dead letter'),
  codeOf('schedule'),
  codeOf('snapshot'),
];
/** Rows between two chances for others to have their turn. */
const BREATH = 2_048;

/** What the rules count of their events. */
class Ranks {
  readonly #totals: { events: number; bytes: number; entities: number[] }[];
  readonly #passed: { events: number; bytes: number; entities: number[] }[];
  readonly #entities: Keys[];

  constructor(rules: readonly ParsedRule[]) {
    this.#totals = rules.map(() => ({ events: 0, bytes: 0, entities: [] }));
    this.#passed = rules.map(() => ({ events: 0, bytes: 0, entities: [] }));
    this.#entities = rules.map(() => new Keys());
  }

  /** Counts an event; answers the number of its entity + 1. `known`: only of entities that have a number. */
  count(rule: number, bytes: number, entity: string | undefined, known: boolean): number {
    const totals = this.#totals[rule]!;
    totals.events++;
    totals.bytes += bytes;
    if (entity === undefined) return 0;
    const keys = this.#entities[rule]!;
    const number = known ? keys.known(entity) : keys.number(entity);
    if (number >= 0) totals.entities[number] = (totals.entities[number] ?? 0) + 1;
    return number + 1;
  }

  /** Passes the next event in position order; answers the limit that keeps it, 0 where none does. */
  pass(rule: ParsedRule, index: number, bytes: number, entity: number): number {
    const totals = this.#totals[index]!;
    const passed = this.#passed[index]!;
    const newestBytes = totals.bytes - passed.bytes;
    passed.bytes += bytes;
    passed.events++;
    if (rule.keepCount !== undefined && totals.events - passed.events < rule.keepCount) return KEEP_COUNT;
    if (rule.keepBytes !== undefined && newestBytes <= rule.keepBytes) return KEEP_BYTES;
    if (entity === 0 || rule.keepLatestByEntity === undefined) return 0;
    const earlier = (passed.entities[entity - 1] = (passed.entities[entity - 1] ?? 0) + 1);
    return totals.entities[entity - 1]! - earlier < rule.keepLatestByEntity ? KEEP_LATEST : 0;
  }
}

/**
 * Decides what goes. Pure: facts in, fates out; no clock, no store. Facts come in position order, each once, by `add`;
 * those of older events the plan does not decide about by `addOlder`, behind them. Then `fates` goes over what was
 * decided, in position order.
 *
 * Where the log has more than `maxEvents`, the events behind them are counted and not decided about (`through` says
 * how far the plan goes). One of those that its rule may keep for its rank counts as kept for its correlation.
 */
export class Planner {
  readonly tally: Tally;
  readonly chains: Chains | undefined;
  readonly #terms: PlanTerms;
  readonly #ranks: Ranks;
  readonly #rows = new RowChunks();
  readonly #processed: readonly number[];
  readonly #floor: number;
  #through = 0;
  #partial = false;

  constructor(terms: PlanTerms) {
    this.#terms = terms;
    const { rules, protections } = terms;
    this.#ranks = new Ranks(rules);
    this.#processed = rules.map((rule) => processedThrough(rule, protections));
    this.#floor = protections.floors[0]?.position ?? Infinity;
    this.chains = rules.some(({ chainAtMost }) => chainAtMost > 0) ? new Chains() : undefined;
    this.tally = new Tally(rules, protections);
  }

  /** Highest position decided about. */
  get through(): number {
    return this.#through;
  }

  /** Has the log more events than were decided about? */
  get partial(): boolean {
    return this.#partial;
  }

  add(fact: Fact): void {
    if (this.#rows.count >= this.#terms.maxEvents) return this.#addNewer(fact);
    const { position, bytes, rule, entity, type } = fact;
    const at = this.#rows.next();
    const rows = this.#rows.newest;
    rows.position[at] = position;
    rows.bytes[at] = bytes;
    rows.rule[at] = rule;
    rows.type[at] = this.tally.count(type);
    rows.held[at] = this.#held(fact);
    rows.shielded[at] = this.#shielded(position, entity);
    if (rule >= 0) rows.entity[at] = this.#ranks.count(rule, bytes, this.#entityOf(fact), false);
    if (this.chains && isMember(fact)) rows.chain[at] = this.chains.add(fact.correlationId) + 1;
    this.#through = position;
  }

  /** An older event than those decided about: it may hold its correlation. */
  addOlder(fact: Fact): void {
    if (this.chains && isMember(fact) && this.#mayStay(fact)) this.chains.holdFromBefore(fact.correlationId);
  }

  #addNewer(fact: Fact): void {
    const { rule, bytes, type } = fact;
    this.#partial = true;
    this.tally.count(type);
    if (rule >= 0) this.#ranks.count(rule, bytes, this.#entityOf(fact), true);
    if (this.chains && isMember(fact)) this.chains.addNewer(fact.correlationId, this.#mayStay(fact));
  }

  /** The fates as ranges. `undefined` between them is only a chance to let others have their turn. */
  *fates(): Generator<Run | undefined, void, undefined> {
    yield* this.#weigh();
    yield* this.#run();
  }

  /** Limits and protections, event by event; notes which correlations they hold. */
  *#weigh(): Generator<undefined, void, undefined> {
    for (const [chunk, rows] of this.#rows.chunks.entries()) {
      for (let at = 0; at < this.#rows.sizeOf(chunk); at++) {
        if (at % BREATH === 0) yield;
        const rule = rows.rule[at]!;
        const limit = this.#limit(rows, at, rule);
        const why = limit === 0 ? rows.shielded[at]! : limit;
        rows.why[at] = why;
        const position = rows.position[at]!;
        if (limit === 0) this.tally.wouldGo(position, rows.bytes[at]!, why);
        if (rows.chain[at]! > 0 && why !== 0) this.chains!.hold(rows.chain[at]! - 1, position);
      }
    }
  }

  #limit(rows: Rows, at: number, rule: number): number {
    if (rule < 0) return NO_RULE;
    const rank = this.#ranks.pass(this.#terms.rules[rule]!, rule, rows.bytes[at]!, rows.entity[at]!);
    return rows.held[at]! || rank;
  }

  *#run(): Generator<Run | undefined, void, undefined> {
    let run: { -readonly [Key in keyof Run]: Run[Key] } | undefined;
    for (const [chunk, rows] of this.#rows.chunks.entries()) {
      for (let at = 0; at < this.#rows.sizeOf(chunk); at++) {
        if (at % BREATH === 0) yield;
        const why = this.#settle(rows, at);
        const rule = rows.rule[at]!;
        const position = rows.position[at]!;
        const bytes = rows.bytes[at]!;
        this.tally.decide(rule, rows.type[at]!, bytes, why);
        if (run?.rule === rule && run.why === why) {
          run.to = position;
          run.events++;
          run.bytes += bytes;
          continue;
        }
        if (run) yield run;
        run = { from: position, to: position, rule, why, events: 1, bytes };
      }
    }
    if (run) yield run;
  }

  /** What may go waits for the rest of its correlation. */
  #settle(rows: Rows, at: number): number {
    const why = rows.why[at]!;
    const chain = rows.chain[at]! - 1;
    if (chain < 0) return why;
    const behind = this.chains!.pass(chain);
    const rule = rows.rule[at]!;
    const atMost = rule < 0 ? 0 : this.#terms.rules[rule]!.chainAtMost;
    if (!goesBy(why) || atMost === 0 || !this.chains!.isHeld(chain)) return why;
    if (behind < atMost) {
      this.chains!.noteWaiting(chain, rows.bytes[at]!);
      return WHOLE;
    }
    this.chains!.noteCut(chain);
    return CUT;
  }

  /** Limits that the event alone decides; 0 where they let it go. */
  #held({ rule: index, position, priority, storedAt, time, entity }: Fact): number {
    if (index < 0) return NO_RULE;
    const rule = this.#terms.rules[index]!;
    if (rule.keepsAll) return NO_LIMIT;
    if (rule.keepPriority !== undefined && priority >= rule.keepPriority) return KEEP_PRIORITY;
    if (rule.keepForMs !== undefined && this.#terms.at - (rule.by === 'time' ? time : storedAt) < rule.keepForMs)
      return KEEP_FOR;
    if (position > this.#processed[index]!) return UNPROCESSED;
    return entity === undefined && rule.onlyLatest ? KEEP_LATEST : 0;
  }

  #shielded(position: number, entity: string | undefined): number {
    const { letters, schedules, snapshots } = this.#terms.protections;
    if (position > this.#floor) return CONSUMER;
    if (letters.length > 0 && isAmong(letters, position)) return LETTER;
    if (schedules.length > 0 && isAmong(schedules, position)) return SCHEDULE;
    if (entity === undefined || snapshots.size === 0) return 0;
    return position > (snapshots.get(entity) ?? Infinity) ? SNAPSHOT : 0;
  }

  /** For events the plan does not decide about: what its rank might keep counts as kept. */
  #mayStay(fact: Fact): boolean {
    if (this.#held(fact) > 0 || this.#shielded(fact.position, fact.entity) > 0) return true;
    const { keepCount, keepBytes, keepLatestByEntity } = this.#terms.rules[fact.rule]!;
    return keepCount !== undefined || keepBytes !== undefined || keepLatestByEntity !== undefined;
  }

  #entityOf({ rule, entity }: Fact): string | undefined {
    return this.#terms.rules[rule]!.keepLatestByEntity === undefined ? undefined : entity;
  }
}

// The bus's own events, letters for example, share a correlation and are no part of what happened in it.
function isMember({ type }: Fact): boolean {
  return !type.startsWith('$');
}

// Zero stands for "goes" in the columns.
if (DUE !== 0) throw new Error('`due` must be the first of WHYS');
