import { Actor } from './actor/actor.ts';
import { checkActorName, parseBehaviour, type Behaviour } from './actor/behaviour.ts';
import { ActorContext, type ActorSite } from './actor/context.ts';
import { decide } from './actor/decide.ts';
import type { ActorFigures, ActorsGone } from './actor/figures.ts';
import { addressOf, checkKey, instanceFor } from './actor/keys.ts';
import type { ActorPort, ActorRef, Log } from './actor/port.ts';
import { rebuild, type Standing } from './actor/rebuild.ts';
import { actorPort, logOf, recipientOf, type Actors } from './actor-port.ts';
import type { Consumer } from './delivery/consumer.ts';
import { cycle } from './ask/refusals.ts';
import { asksOf } from './asking.ts';
import { runConsumer } from './consuming.ts';
import { currentCause, mustNotBeCaptured, runWithCause, runWithoutCause, type Cause } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError, expected } from './errors.ts';
import { admit } from './event/admission.ts';
import type { Addressee } from './event/asking.ts';
import type { Envelope } from './event/envelope.ts';
import type { Metadata, StoredEvent, TelltaleEvent } from './event/event.ts';
import { checkEntity } from './event/identity.ts';
import { Receiving } from './event/receiving.ts';
import type { Filter } from './filter/language.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import { CHECKPOINTS } from './store/read/resolve-place.ts';
import { contextPort } from './wiring.ts';

const known = new WeakMap<Core, Actors>();

/** The actors of a bus. */
export function actorsOf(core: Core): Actors {
  let actors = known.get(core);
  if (!actors)
    known.set(core, (actors = { live: new Set(), roots: new Map(), gone: NONE_GONE, deliveries: new Map() }));
  return actors;
}

const NONE_GONE = { actors: 0, routed: 0, handled: 0, failed: 0, dropped: 0, cancelled: 0, restarts: 0 };

/** The books of the actors that run, and the sum of those that have ended. */
export function actorFigures(core: Core): { actors: readonly ActorFigures[]; actorsGone: ActorsGone } {
  const { live, gone } = actorsOf(core);
  return { actors: [...live].map((actor) => actor.figures()), actorsGone: gone };
}

/** Who a dead letter was meant for, where that is an actor. */
export function actorOf(core: Core, recipient: string | undefined): ActorRef | undefined {
  for (const actor of actorsOf(core).live) if (recipientOf(actor) === recipient) return actor;
  return undefined;
}

/** The functions of a bus that are about actors. */
export function createActing(core: Core) {
  const actors = actorsOf(core);
  const port: ActorPort = actorPort(core, actors, { handleOf: (actor) => handleOf(core, actor) });
  return {
    actor: (name: string, given: unknown) => {
      mustNotBeCaptured('`actor`');
      core.mustAccept(currentCause());
      return handleOf(core, startActor(core, port, checkActorName(name), given));
    },
    load: async (entity: string, given: unknown) => {
      const { behaviour, log } = parseFor(core, entity, given, 'load');
      await Promise.allSettled([core.writer?.flush()]);
      const { state, revision } = await load(core, entity, behaviour, log);
      return { state, revision };
    },
    decide: async (entity: string, given: unknown, command: unknown) => {
      mustNotBeCaptured('`decide`');
      const { behaviour, log } = parseFor(core, entity, given, 'decide');
      return decideOnce(core, { entity, behaviour, log }, command as GivenCommand);
    },
  };
}

function startActor(core: Core, port: ActorPort, name: string, given: unknown): Actor {
  const { roots } = actorsOf(core);
  const behaviour = parseBehaviour(given, `actor ${name}`, core.options.mailbox);
  if (roots.get(name)?.live) throw new TelltaleError('INVALID_OPTION', `an actor \`${name}\` already runs on this bus`);
  const what = behaviour.persist ? '`persist`' : behaviour.durable ? '`durable`' : undefined;
  if (what !== undefined) mustHaveStore(core, `${what} of actor ${name}`);
  stopWithBus(core, roots);
  let consumer: Consumer | undefined;
  const forget = (): void => {
    if (!roots.get(name)?.live) roots.delete(name);
    void runWithoutCause(() => consumer?.stop().catch(() => undefined));
  };
  const actor = new Actor(name, behaviour, port, { failed: () => undefined, forget });
  if (!actor.live) return actor;
  roots.set(name, actor);
  if (behaviour.durable) consumers.set(actor, (consumer = consumeFor(core, actor)));
  return actor;
}

/** Of durable actors. */
const consumers = new WeakMap<ActorRef, Consumer>();
const stopping = new WeakSet<Core>();

// Handlers have ended by then; children end first.
function stopWithBus(core: Core, roots: ReadonlyMap<string, Actor>): void {
  if (stopping.has(core)) return;
  stopping.add(core);
  core.life.onSettled(() => Promise.all([...roots.values()].map((actor) => actor.stop())));
}

/** Brings a durable actor what is stored for it; done when `receive` has returned and its events are stored. */
function consumeFor(core: Core, actor: Actor): Consumer {
  const { behaviour, address } = actor;
  const { deliveries } = actorsOf(core);
  const name = `actor/${address}`;
  const told: Filter = { 'metadata.$to': address, 'metadata.$mail': true };
  const patterns = behaviour.on.map((type): Filter => ({ type, 'metadata.$to': { $ne: address } }));
  const isHeard = heardSince(core, name);
  return runConsumer(core, {
    name,
    pattern: '**',
    where: { $or: [told, ...patterns] },
    // What it was told must not be missed where the process died before there was a checkpoint.
    from: 'earliest',
    handler: async (_, { envelope }) => {
      if (envelope.event.metadata['$to'] !== address && !(await isHeard(envelope))) return;
      await new Promise<void>((done, fail) => {
        const end = (settle: () => void) => () => {
          deliveries.delete(envelope);
          settle();
        };
        deliveries.set(envelope, { done: end(done), failed: (error) => end(() => fail(error))() });
        runWithCause(envelope, () => actor.take(envelope), undefined);
      });
    },
    key: behaviour.keyOf && ((event) => laneOf(actor, event)),
    keyText: behaviour.keyOf ? '(actor)' : undefined,
    concurrency: behaviour.keyOf ? CONCURRENCY : 1,
    group: false,
    retry: undefined,
    onFailure: 'pause',
    batch: undefined,
    target: undefined,
    onReset: undefined,
  });
}

/** What was stored before its first start is not for an actor that only heard it. */
function heardSince(core: Core, name: string): (envelope: Envelope) => Promise<boolean> {
  const startedAt = core.options.clock.now();
  const checkpoint = core.options.store!.document(CHECKPOINTS, name).catch(() => null);
  return async ({ event }) => (await checkpoint) !== undefined || (event as StoredEvent).storedAt >= startedAt;
}

/** Instances of a durable actor that handle something at once. */
const CONCURRENCY = 64;

// An event without a key fails in the actor, which has a letter for it.
function laneOf(actor: ActorRef, event: TelltaleEvent): string {
  const key = instanceFor(actor, event);
  return typeof key === 'string' ? key : '';
}

interface Given extends EmitOptions {
  readonly key?: string;
}

const handles = new WeakMap<ActorRef, object>();

function handleOf(core: Core, actor: ActorRef): object {
  let handle = handles.get(actor);
  if (!handle) handles.set(actor, (handle = createHandle(core, actor)));
  return handle;
}

function createHandle(core: Core, actor: ActorRef): object {
  const plain: Metadata = Object.freeze({ $to: actor.address, ...(actor.behaviour.durable && { $mail: true }) });
  const terms = { metadata: plain };
  return Object.freeze({
    name: actor.address,
    tell: (type: string, payload: unknown, given?: Given) => {
      mustLive(actor);
      const cause = currentCause();
      if (given?.key === undefined)
        return hand(core, actor, cause, core.admit(cause, type, payload, given, terms), given?.id === undefined);
      const { key, ...options } = given;
      const metadata = Object.freeze({ ...plain, $key: checkKey(actor, key) });
      return hand(core, actor, cause, core.admit(cause, type, payload, options, { metadata }), given.id === undefined);
    },
    ask: async (type: string, payload: unknown, given?: Given) => {
      mustLive(actor);
      const { key, ...options } = given ?? {};
      const whom = addressee(actor, key);
      return asksOf(core).ask(currentCause(), type, payload, given && options, whom);
    },
    state: (key?: string) => actor.state(key),
    snapshot: async (key?: string) => {
      mustNotBeCaptured('`snapshot` of an actor');
      await actor.snapshot(key);
    },
    stop: async (key?: string) => {
      mustNotBeCaptured('`stop` of an actor');
      await actor.stop(key);
      if (!actor.live) await runWithoutCause(() => consumers.get(actor)?.stop());
    },
    instances: () => actor.instances(),
  });
}

function hand(
  core: Core,
  actor: ActorRef,
  cause: Cause | undefined,
  accepted: ReturnType<Core['admit']>,
  fresh: boolean,
): TelltaleEvent {
  if ('dropped' in accepted) return accepted.event;
  accepted.to = actor;
  core.send(cause, accepted, fresh);
  return accepted.event;
}

function addressee(actor: ActorRef, key: string | undefined): Addressee {
  const accepts = (): boolean => actor.live;
  if (key === undefined && actor.behaviour.keyOf) {
    const take = (envelope: Envelope): void => askInstance(actor, envelope);
    return {
      address: recipientOf(actor),
      several: true,
      answerer: { credit: 1, accepts, take },
      metadata: { $to: actor.address },
    };
  }
  const address = addressOf(actor, checkKey(actor, key));
  const metadata = { $to: actor.address, ...(key !== undefined && { $key: key }) };
  return { address, answerer: { credit: 1, accepts, take: (envelope) => actor.take(envelope) }, metadata };
}

/** The payload says which instance is asked: it is known only now whether that one waits for the answer. */
function askInstance(actor: ActorRef, envelope: Envelope): void {
  const key = instanceFor(actor, envelope.event);
  const asking = envelope.asking!;
  const address = typeof key === 'string' ? addressOf(actor, key) : '';
  if (asking.path.includes(address)) asking.refused(cycle(address, asking.path));
  else actor.take(envelope);
}

function mustLive({ live, address }: ActorRef): void {
  if (!live) throw new TelltaleError('ACTOR_STOPPED', `actor ${address} has stopped`);
}

interface Persisted {
  readonly entity: string;
  readonly behaviour: Behaviour;
  readonly log: Log;
}

interface GivenCommand {
  readonly type: string;
  readonly payload?: unknown;
}

function parseFor(core: Core, entity: unknown, given: unknown, of: string): Pick<Persisted, 'behaviour' | 'log'> {
  const behaviour = parseBehaviour(given, `\`${of}\``, core.options.mailbox);
  checkEntity(entity);
  core.mustAnswer();
  mustHaveStore(core, `\`${of}\``);
  if (behaviour.persist) return { behaviour, log: logOf(core) };
  throw new TelltaleError('INVALID_OPTION', `\`${of}\` needs a behaviour with \`apply\`, or with \`persist: 'state'\``);
}

function load(core: Core, entity: string, behaviour: Behaviour, { store, present }: Log): Promise<Standing> {
  const key = entity.slice(entity.indexOf('/') + 1);
  const signal = new AbortController().signal;
  return rebuild({ entity, key, behaviour }, { store, present, clock: core.options.clock, signal });
}

async function decideOnce(core: Core, { entity, behaviour, log }: Persisted, command: GivenCommand): Promise<object> {
  if (typeof command !== 'object' || command === null)
    throw expected('INVALID_OPTION', 'the command of `decide`', '{ type, payload }', command);
  const { type, payload } = command;
  const admitted = core.admit(currentCause(), type, payload, { transient: true }, { silent: true });
  if ('dropped' in admitted)
    throw new TelltaleError('ABORTED', `the admit stage \`${admitted.dropped}\` dropped the command \`${type}\``);
  const cause = new Receiving(admitted);
  const site = siteOf(core, entity);
  admitted.running++;
  try {
    const reload = (): Promise<Standing> => load(core, entity, behaviour, log);
    const context = (): ActorContext => new ActorContext(cause, contextPort(core), site);
    const terms = { entity, behaviour, receive: behaviour.receive, log, cause, context, reload };
    const from = await reload();
    const { standing, facts, answers } = await runWithCause(cause, () => decide(terms, from), undefined);
    const { state, revision } = standing;
    return { state, revision, events: facts.map(({ event }) => event), answer: answers.at(-1) };
  } finally {
    admitted.running--;
  }
}

function siteOf(core: Core, entity: string): ActorSite {
  const refuse = (what: string): never => {
    throw new TelltaleError('NOT_SUPPORTED', `\`${what}\` needs an actor; \`decide\` of ${entity} has none`);
  };
  const { maxEventBytes } = core.options;
  return {
    key: entity.slice(entity.indexOf('/') + 1),
    recipient: `actor:${entity}`,
    signal: new AbortController().signal,
    get self() {
      return refuse('self');
    },
    spawn: () => refuse('spawn'),
    mustStash: () => refuse('stash'),
    plain: (value) => (value === undefined ? undefined : admit(value, 'payload', maxEventBytes).value),
    answer: () => undefined,
  };
}

function mustHaveStore(core: Core, what: string): void {
  if (core.options.store) return;
  throw new TelltaleError('STORE_REQUIRED', `${what} needs a store, and this bus has none`);
}
