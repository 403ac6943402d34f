import { TelltaleError } from '../errors.ts';
import type { Store } from '../store/port.ts';
import type { HeldChain } from './chains.ts';
import { factOf, readPages, RuleBook } from './facts.ts';
import { FateList, Runs, type Fate } from './fates.ts';
import type { Pacer } from './pacer.ts';
import { Planner } from './plan.ts';
import type { Protections } from './protections.ts';
import type { ParsedRule } from './rules.ts';
import type { Amount, HeldByFloor, RuleFigures } from './tally.ts';
import { warningsOf } from './warnings.ts';

/** What would go, what would stay, and why. Made by `preview`, carried out by `enforce`. */
export interface RetentionPlan {
  /** The moment it was made for, epoch ms. */
  readonly at: number;
  /** Head of the log then; what came later is no part of it. */
  readonly head: number;
  /** How far it goes: the head, unless the log has more events than one plan holds. */
  readonly through: number;
  /** Ranges of positions in order; go over it as often as you like. */
  readonly fates: Iterable<Fate> & { readonly length: number };
  readonly keeps: Amount;
  readonly removes: Amount & {
    readonly byRule: readonly RuleFigures[];
    /** Types of which something goes, most bytes first. */
    readonly byType: Readonly<Record<string, Amount>>;
  };
  /** Rules that do nothing, consumers nobody knows, correlations that are cut. */
  readonly warnings: readonly string[];
  /** What the rules let go and something else keeps. */
  readonly heldBack: {
    /** The correlations with the most events waiting for the rest. */
    readonly chains: readonly HeldChain[];
    /** Consumers and sinks that have not come so far, each with all it holds back. */
    readonly floors: readonly HeldByFloor[];
    /** Events open dead letters are about. */
    readonly letters: Amount;
    /** What schedules that wait for their time are made from. */
    readonly schedules: Amount;
    /** Events behind the last snapshot of their entity. */
    readonly snapshots: Amount;
  };
}

/** A plan with what `enforce` needs of it. */
export interface MadePlan extends RetentionPlan {
  readonly runs: Runs;
  readonly rules: readonly ParsedRule[];
  readonly protections: Protections;
}

/** Events one plan decides about. */
export const PLAN_EVENTS = 1 << 20;

export interface PreviewTerms {
  readonly store: Pick<Store, 'page'>;
  /** The user's. */
  readonly rules: readonly ParsedRule[];
  readonly protections: Protections;
  readonly at: number;
  readonly head: number;
  /** Events up to here are not decided about. */
  readonly after: number;
  readonly maxEvents: number;
  readonly pacer: Pacer;
  readonly signal?: AbortSignal;
}

/** Reads the log once and decides. Holds the loop a few milliseconds at a time. */
export async function makePlan(terms: PreviewTerms): Promise<MadePlan> {
  const { rules, protections, at, head, after, maxEvents, pacer } = terms;
  const book = new RuleBook(rules);
  const planner = new Planner({ rules: book.rules, at, protections, maxEvents });
  await readFacts(terms, book, after, head, (fact) => planner.add(fact));
  if (planner.chains && after > 0) await readFacts(terms, book, 0, after, (fact) => planner.addOlder(fact));
  const runs = new Runs();
  for (const run of planner.fates()) {
    if (run) runs.push(run);
    else if (pacer.isOver) await pacer.rest();
  }
  return describe(terms, book, { planner, runs, chains: await largestChains(planner, pacer) });
}

async function largestChains({ chains }: Planner, pacer: Pacer): Promise<readonly HeldChain[]> {
  const looking = chains?.largest();
  if (!looking) return [];
  for (;;) {
    const { done, value } = looking.next();
    if (done) return value;
    if (pacer.isOver) await pacer.rest();
  }
}

interface Decided {
  readonly planner: Planner;
  readonly runs: Runs;
  readonly chains: readonly HeldChain[];
}

async function readFacts(
  { store, pacer, signal }: PreviewTerms,
  book: RuleBook,
  after: number,
  through: number,
  visit: (fact: ReturnType<typeof factOf>) => void,
): Promise<void> {
  for await (const events of readPages(store, after, through)) {
    for (const event of events) visit(factOf(event, book));
    if (signal?.aborted) throw new TelltaleError('ABORTED', 'the plan was not finished', { cause: signal.reason });
    if (pacer.isOver) await pacer.rest();
  }
}

function describe(terms: PreviewTerms, book: RuleBook, { planner, runs, chains }: Decided): MadePlan {
  const { at, head, rules, protections } = terms;
  const { tally, partial } = planner;
  const going = [...tally.byType()].filter(([, { removes }]) => removes.events > 0);
  const plan = {
    at,
    head,
    through: partial ? planner.through : head,
    fates: new FateList(
      runs,
      book.rules.map(({ name }) => name),
    ),
    keeps: tally.keeps,
    removes: {
      ...tally.removes,
      byRule: tally.byRule(),
      byType: Object.fromEntries(going.map(([type, { removes }]) => [type, removes])),
    },
    warnings: warningsOf({ rules, planner, protections }),
    heldBack: {
      chains,
      floors: tally.floors(),
      letters: tally.shielded.letters,
      schedules: tally.shielded.schedules,
      snapshots: tally.shielded.snapshots,
    },
  };
  // The rest is nobody's business but `enforce`'s.
  const inner = { runs, rules: book.rules, protections };
  for (const [name, value] of Object.entries(inner)) Object.defineProperty(plan, name, { value, enumerable: false });
  return Object.freeze(plan) as unknown as MadePlan;
}
