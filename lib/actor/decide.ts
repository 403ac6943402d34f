import { isTelltaleError, expected, TelltaleError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import { isThenable, letGo } from '../invoke/invoke.ts';
import type { Behaviour } from './behaviour.ts';
import type { ActorContext, Held, Receive } from './context.ts';
import type { Committed, GivenFact, Log } from './port.ts';
import { applyFact, STATE_STORED, statePayload, type Standing } from './rebuild.ts';
import { countedBytes } from './snapshots.ts';

/** What has been decided, and stored. */
export interface Decided {
  readonly standing: Standing;
  readonly facts: readonly StoredEvent[];
  readonly answers: readonly unknown[];
  /** Of the run that counted. */
  readonly context: ActorContext;
}

export interface DecideTerms {
  readonly entity: string;
  readonly behaviour: Behaviour;
  readonly receive: Receive;
  readonly log: Log;
  /** The event it is about, as the cause of all that follows. */
  readonly cause: HoldingCause;
  context(): ActorContext;
  /** Ids of the facts, where the event may come again; undefined for new ones. */
  readonly factId?: (index: number) => string;
  reload(): Promise<Standing>;
  /** Called before the state may be changed in its place: from then on it is ahead of the log until the end is reached. */
  changing?(): void;
}

/** An envelope that keeps what is emitted in its context for later. */
export type HoldingCause = Envelope & { hold?: ((emitted: object, fresh: boolean) => void) | undefined };

/** How often `receive` is run when others keep storing events of the entity. */
const RACES = 10;

/**
 * Runs `receive`, stores what it decides in one append, and applies it: facts and emitted events are stored together
 * or not at all. Where somebody else has stored an event of the entity meanwhile, its state is rebuilt and `receive` runs
 * again. `apply` runs before the append, so that no fact is stored that cannot be applied. Rejects with what `receive`
 * and `apply` throw, and with `EXPECTATION_FAILED` after 10 lost races.
 */
export async function decide(terms: DecideTerms, standing: Standing): Promise<Decided> {
  for (let run = 1, from = standing; ; run++) {
    const context = terms.context();
    const held: Held = (context.held = { events: [], answers: [], fresh: true });
    terms.cause.hold = (emitted, fresh) => {
      held.events.push(emitted as Envelope);
      held.fresh &&= fresh;
    };
    let facts: readonly Envelope[];
    let next: Standing;
    try {
      const answer: unknown = await terms.receive(from.state, terms.cause.event, context);
      [facts, next] = conclude(terms, from, answer, held);
    } finally {
      // What comes later is carried out at once.
      terms.cause.hold = undefined;
      context.held = undefined;
    }
    try {
      const stored = await store(terms, facts, held, from);
      const decided = { facts: stored ? storedFacts(facts, stored) : [], answers: held.answers, context };
      if (stored === undefined) return { ...decided, standing: next };
      if (stored.duplicate) return { ...decided, standing: await terms.reload() };
      return { ...decided, standing: placed(next, stored, facts) };
    } catch (error) {
      if (run >= RACES || !isTelltaleError(error, 'EXPECTATION_FAILED')) throw error;
      from = await terms.reload();
    }
  }
}

function conclude(terms: DecideTerms, from: Standing, answer: unknown, held: Held): [readonly Envelope[], Standing] {
  const { behaviour, entity, log, cause } = terms;
  if (behaviour.persist === 'state') {
    if (answer === undefined) return [[], from];
    terms.changing?.();
    const fact = log.own(cause, STATE_STORED, statePayload(answer, behaviour.schemaVersion), entity);
    return [[fact], { ...from, state: answer }];
  }
  // What it emits about itself is a fact as well: the expectation holds for all of them.
  const own = held.events.filter(({ event }) => event.entity === entity);
  const given = factsOf(answer, entity).flatMap((fact, i) => admitFact(terms, fact, i));
  const facts = [...given, ...own];
  held.events.splice(0, Infinity, ...held.events.filter(({ event }) => event.entity !== entity));
  if (facts.length > 0) terms.changing?.();
  let { state, unsavedBytes } = from;
  for (const { event } of facts) {
    state = applyFact(behaviour.apply!, state, event);
    unsavedBytes += countedBytes(behaviour.snapshot, event.payload);
  }
  return [facts, { ...from, state, unsaved: from.unsaved + facts.length, unsavedBytes }];
}

function admitFact({ log, cause, entity, factId }: DecideTerms, fact: GivenFact, index: number): Envelope[] {
  const id = factId?.(index);
  const admitted = log.admit(cause, fact.type, fact.payload, {
    ...fact.options,
    entity,
    transient: false,
    ...(id !== undefined && { id }),
  });
  return admitted ? [admitted] : [];
}

async function store(
  { log, factId }: DecideTerms,
  facts: readonly Envelope[],
  held: Held,
  { revision }: Standing,
): Promise<Committed | undefined> {
  const events = [...facts, ...held.events];
  if (events.length === 0) return undefined;
  return log.commit(events, facts.length > 0 ? revision : undefined, factId === undefined && held.fresh);
}

/** As they are in the log, where they are the first of what was committed. */
function storedFacts(facts: readonly Envelope[], { position, revisions, storedAt }: Committed): readonly StoredEvent[] {
  return facts.map(({ event }, i) => ({ ...event, position: position + i, revision: revisions[i]!, storedAt }));
}

function placed(next: Standing, { position, revisions, storedAt }: Committed, facts: readonly Envelope[]): Standing {
  const last = facts.length - 1;
  if (last < 0) return next;
  const unsavedSince = next.unsavedSince || (next.unsaved > 0 ? storedAt : 0);
  return {
    ...next,
    revision: revisions[last]!,
    position: position + last,
    eventId: facts[last]!.event.id,
    unsavedSince,
  };
}

/** One fact, several, or none. Throws `INVALID_OPTION`. */
export function factsOf(answer: unknown, entity: string): readonly GivenFact[] {
  if (answer === undefined || answer === null) return [];
  const facts: readonly unknown[] = Array.isArray(answer) ? answer : [answer];
  try {
    for (const fact of facts) mustBeFact(fact, entity);
  } catch (error) {
    for (const fact of facts) letGo(fact);
    throw error;
  }
  return facts as readonly GivenFact[];
}

function mustBeFact(fact: unknown, entity: string): asserts fact is GivenFact {
  const { type, options, payload: _, ...unknown } = (fact ?? {}) as Partial<GivenFact> & Record<string, unknown>;
  if (typeof fact !== 'object' || typeof type !== 'string' || isThenable(fact) || Object.keys(unknown).length > 0)
    throw expected('INVALID_OPTION', `a fact that \`receive\` of ${entity} answers with`, '{ type, payload }', fact);
  for (const key of ['entity', 'transient', 'id'] as const)
    if ((options as Record<string, unknown> | undefined)?.[key] !== undefined)
      throw new TelltaleError('INVALID_OPTION', `\`options.${key}\` of a fact of ${entity} is set by the actor`);
}
