import { Actor } from './actor/actor.ts';
import { checkActorName, parseBehaviour, type Behaviour } from './actor/behaviour.ts';
import { ActorContext, type ActorSite } from './actor/context.ts';
import { decide } from './actor/decide.ts';
import { NONE_GONE, type ActorFigures, type ActorsGone } from './actor/figures.ts';
import { addressOf, checkKey, instanceFor } from './actor/keys.ts';
import type { ActorPort, ActorRef, Log } from './actor/port.ts';
import { rebuild, type Standing } from './actor/rebuild.ts';
import { saveSnapshot } from './actor/snapshot-document.ts';
import { isDue } from './actor/snapshots.ts';
import { actorPort, logOf, plainOf, recipientOf, type Actors } from './actor-port.ts';
import { cycle } from './ask/refusals.ts';
import { asksOf } from './asking.ts';
import {
  currentCause,
  mustNotBeCaptured,
  mustNotBeHeld,
  runWithCause,
  runWithoutCause,
  type Cause,
} from './context.ts';
import type { Core } from './core.ts';
import { bringStored, type Mailman } from './durable-actors.ts';
import { TelltaleError, expected } from './errors.ts';
import type { Addressee } from './event/asking.ts';
import type { Envelope } from './event/envelope.ts';
import type { Metadata, TelltaleEvent } from './event/event.ts';
import { checkEntity } from './event/identity.ts';
import { Receiving } from './event/receiving.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import { contextPort } from './wiring.ts';

const known = new WeakMap<Core, Actors>();

/** The actors of a bus. */
function actorsOf(core: Core): Actors {
  let actors = known.get(core);
  if (!actors)
    known.set(core, (actors = { live: new Set(), roots: new Map(), gone: NONE_GONE, deliveries: new Map() }));
  return actors;
}

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
      await core.written();
      const { state, revision } = await load(core, entity, behaviour, log);
      return { state, revision };
    },
    decide: async (entity: string, given: unknown, command: unknown) => {
      mustNotBeCaptured('`decide`');
      mustNotBeHeld('`decide`');
      const { behaviour, log } = parseFor(core, entity, given, 'decide');
      return decideOnce(core, { entity, behaviour, log }, command as GivenCommand);
    },
  };
}

function startActor(core: Core, port: ActorPort, name: string, given: unknown): Actor {
  const actors = actorsOf(core);
  const { roots } = actors;
  const behaviour = parseBehaviour(given, `actor ${name}`, core.options.mailbox);
  if (roots.get(name)?.live) throw new TelltaleError('INVALID_OPTION', `an actor \`${name}\` already runs on this bus`);
  const what = behaviour.persist ? '`persist`' : behaviour.durable ? '`durable`' : undefined;
  if (what !== undefined) core.storeFor(`${what} of actor ${name}`);
  stopWithBus(core, roots);
  const take = (envelope: Envelope): void => actor.take(envelope, true);
  const failed = (error: unknown): void => {
    port.broken(actor, { action: 'stop' }, error);
    void actor.stop();
  };
  // First, because it may throw.
  const mailman = behaviour.durable ? bringStored(core, actors, { address: name, behaviour, take, failed }) : undefined;
  const forget = (): void => {
    if (!roots.get(name)?.live) roots.delete(name);
    void mailman?.stop();
  };
  const actor: Actor = new Actor(name, behaviour, port, { failed: () => undefined, forget });
  if (mailman) mailmen.set(actor, mailman);
  if (actor.live) roots.set(name, actor);
  return actor;
}

/** Of durable actors. */
const mailmen = new WeakMap<ActorRef, Mailman>();
const stopping = new WeakSet<Core>();

// Handlers have ended by then; children end first.
function stopWithBus(core: Core, roots: ReadonlyMap<string, Actor>): void {
  if (stopping.has(core)) return;
  stopping.add(core);
  core.life.onSettled(() => Promise.all([...roots.values()].map((actor) => actor.stop())));
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
    state: async (key?: string) => {
      mustBeThere(core, actor);
      return actor.state(key);
    },
    snapshot: async (key?: string) => {
      mustBeThere(core, actor);
      mustNotBeCaptured('`snapshot` of an actor');
      await actor.snapshot(key);
    },
    stop: async (key?: string) => {
      mustNotBeCaptured('`stop` of an actor');
      if (key !== undefined) checkKey(actor, key);
      await actor.stop(key);
      if (!actor.live) await mailmen.get(actor)?.stop();
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

// One that has stopped still has its log, until the bus is closed.
function mustBeThere(core: Core, actor: ActorRef): void {
  if (core.life.accepting === 'none') mustLive(actor);
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
  core.storeFor(`\`${of}\``);
  if (behaviour.persist) return { behaviour, log: logOf(core) };
  throw new TelltaleError('INVALID_OPTION', `\`${of}\` needs a behaviour with \`apply\`, or with \`persist: 'state'\``);
}

function load(core: Core, entity: string, behaviour: Behaviour, log: Log): Promise<Standing> {
  const { store, present } = log;
  const key = entity.slice(entity.indexOf('/') + 1);
  const signal = new AbortController().signal;
  const ignored = (reason: TelltaleError): void => snapshotFailed(core, { entity, log }, reason);
  return rebuild({ entity, key, behaviour }, { store, present, ignored, clock: core.options.clock, signal });
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
    await keepSnapshot(core, { entity, behaviour, log }, standing);
    const { state, revision } = standing;
    return { state, revision, events: facts, answer: answers.at(-1) };
  } finally {
    admitted.running--;
  }
}

// Every `decide` rebuilds. What is lost without a snapshot is time, so its failure is told, and not the caller's.
async function keepSnapshot(core: Core, { entity, behaviour, log }: Persisted, standing: Standing): Promise<void> {
  const { schemaVersion, snapshot } = behaviour;
  if (log.store.supports.readOnly || !isDue(snapshot, standing, core.options.clock.now())) return;
  try {
    await saveSnapshot(log.store, entity, standing, { schemaVersion, compressAbove: snapshot.compressAbove });
  } catch (error) {
    snapshotFailed(core, { entity, log }, error);
  }
}

function snapshotFailed(core: Core, { entity, log }: Pick<Persisted, 'entity' | 'log'>, error: unknown): void {
  const about = { name: entity, action: 'snapshot' };
  const part = { owner: log.store, key: entity, thing: `the snapshot of ${entity}`, about };
  runWithoutCause(() => core.reports.failed('$actor.failed', part, error));
}

function siteOf(core: Core, entity: string): ActorSite {
  const refuse = (what: string): never => {
    throw new TelltaleError('NOT_SUPPORTED', `\`${what}\` needs an actor; \`decide\` of ${entity} has none`);
  };
  return {
    key: entity.slice(entity.indexOf('/') + 1),
    recipient: `actor:${entity}`,
    signal: new AbortController().signal,
    get self() {
      return refuse('self');
    },
    spawn: () => refuse('spawn'),
    mustStash: () => refuse('stash'),
    plain: plainOf(core),
  };
}
