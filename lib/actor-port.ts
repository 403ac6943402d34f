import type { Actor } from './actor/actor.ts';
import { parseBehaviour } from './actor/behaviour.ts';
import { addGone, type ActorsGone } from './actor/figures.ts';
import type { ActorPort, ActorRef, Log } from './actor/port.ts';
import { runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError } from './errors.ts';
import { admit } from './event/admission.ts';
import type { Envelope } from './event/envelope.ts';
import type { Failure } from './invoke/invoke.ts';
import type { Working } from './lifecycle.ts';
import { channels } from './observe/channels.ts';
import { presenterOf } from './presenting.ts';
import type { Target } from './router/target.ts';
import { Serial } from './serial.ts';
import { mailboxFull, undelivered } from './undelivered.ts';
import { contextPort } from './wiring.ts';

/** The actors of one bus. */
export interface Actors {
  /** Children too. */
  readonly live: Set<ActorRef>;
  /** Those made by the program, by name. */
  readonly roots: Map<string, Actor>;
  /** The books of those that have ended, summed up. */
  gone: ActorsGone;
  /** Events that consumers wait for. */
  readonly deliveries: Map<Envelope, Delivery>;
}

/** Told what became of an event that a consumer has brought. */
export interface Delivery {
  done(): void;
  failed(error: unknown): void;
}

export const recipientOf = ({ address }: ActorRef): string => `actor:${address}`;

/** What actors reach of their bus. */
export function actorPort(core: Core, actors: Actors, more: Pick<ActorPort, 'handleOf'>): ActorPort {
  const { clock, store, mailbox } = core.options;
  return {
    clock,
    turn: core.turn,
    context: contextPort(core),
    log: store && logOf(core),
    snapshots: new Serial(),
    ...more,
    failed: (actor, envelope, failure) => failed(core, actors, actor, envelope, failure),
    handled: (envelope) => actors.deliveries.get(envelope)?.done(),
    dropped: (actor, envelopes) => noRoom(core, actor, envelopes),
    cut: (actor, envelopes, error) => {
      for (const envelope of envelopes) cutOff(core, actors, actor, envelope, error);
    },
    plain: plainOf(core),
    report: (type, about) => {
      if (core.router.targets(type).length === 0) return;
      runWithoutCause(() => core.carrier.carry(core.makeOwn(undefined, type, about, { transient: true }), true));
    },
    broken: (actor, about, error, warn = true) => {
      const { address: name } = actor;
      const part = { owner: actor, key: name, thing: `actor \`${name}\``, about: { name, ...about } };
      runWithoutCause(() => core.reports.failed('$actor.failed', part, error, { warn }));
    },
    eased: () => {
      core.dispatcher.eased();
      core.life.wake();
    },
    enlist: (actor) => enlist(core, actors, actor),
    parse: (given, address) => {
      const behaviour = parseBehaviour(given, `actor ${address}`, mailbox);
      if (behaviour.persist) core.storeFor(`\`persist\` of actor ${address}`);
      if (!behaviour.durable) return behaviour;
      const text = `\`durable\` of actor ${address}: a child has no mailbox in the log, make it with \`bus.actor\``;
      throw new TelltaleError('INVALID_OPTION', text);
    },
  };
}

/** Checks and copies what may be an answer. Throws `PAYLOAD_*`. */
export function plainOf({ options: { maxEventBytes } }: Core): ActorPort['plain'] {
  return (value) => (value === undefined ? undefined : admit(value, 'payload', maxEventBytes).value);
}

/** The log as actors use it; for a bus with a store. */
export function logOf(core: Core): Log {
  return {
    store: core.options.store!,
    present: presenterOf(core),
    admit: (cause, type, payload, options) => {
      const admitted = core.admit(cause, type, payload, options, { inside: true });
      return 'dropped' in admitted ? undefined : admitted;
    },
    own: (cause, type, payload, entity) => core.makeOwn(cause, type, payload, { entity }),
    commit: (events, expect, fresh) => core.carrier.commit(events, expect, fresh),
  };
}

function failed(core: Core, actors: Actors, actor: ActorRef, envelope: Envelope, { error, attempts }: Failure): void {
  const { source } = core.options;
  if (!envelope.retelling && !envelope.asking && channels.handlerFailed.hasSubscribers)
    channels.handlerFailed.publish({ source, event: envelope.event, pattern: recipientOf(actor), error });
  actors.deliveries.get(envelope)?.done();
  undelivered(core, envelope, { reason: 'handler-failed', error, attempts, recipient: recipientOf(actor) });
}

/** It was never handled. What a consumer brought waits in the log where the whole actor has ended. */
function cutOff(core: Core, actors: Actors, actor: ActorRef, envelope: Envelope, error: unknown): void {
  const delivery = actors.deliveries.get(envelope);
  if (delivery && !actor.live) return delivery.failed(error);
  delivery?.done();
  undelivered(core, envelope, { reason: 'cut', error, recipient: recipientOf(actor) });
}

function noRoom(core: Core, actor: ActorRef, envelopes: readonly Envelope[]): void {
  const { address: name, behaviour } = actor;
  mailboxFull(core, envelopes, {
    of: `actor ${name}`,
    report: '$actor.mailbox.full',
    about: { name },
    limits: behaviour.mailbox,
    figures: actor.figures(),
    place: { recipient: recipientOf(actor) },
  });
}

function enlist(core: Core, actors: Actors, actor: ActorRef): () => void {
  const { behaviour, address } = actor;
  const target = listener(actor);
  const waits = behaviour.mailbox.overflow === 'wait';
  const leaves = behaviour.on.map((pattern) => core.router.join(pattern, target, behaviour));
  const part: Working = {
    get load() {
      return actor.load;
    },
    name: `actor ${address}`,
    cut: () =>
      actor.cut(new TelltaleError('BUS_CLOSED', `the bus was closed while the event waited for actor ${address}`)),
  };
  core.life.working.add(part);
  actors.live.add(actor);
  if (waits) core.router.countWaiter(1);
  return () => {
    if (!actors.live.delete(actor)) return;
    for (const leave of leaves) leave();
    if (waits) core.router.countWaiter(-1);
    // One that was cut is waited for no more; one that has stopped has nothing left.
    core.life.working.delete(part);
    actors.gone = addGone(actors.gone, actor.figures());
  };
}

// What it is told comes to it by itself, also where it hears the type.
function listener(actor: ActorRef): Target {
  const isTold = ({ event }: Envelope): boolean => event.metadata['$to'] === actor.address;
  return {
    offer: (envelope) => !isTold(envelope) && actor.offer(envelope),
    wants: () => actor.live,
    again: (envelope) => actor.take(envelope),
    congested: (envelope) => !isTold(envelope) && actor.congested(envelope),
    giveUp: (envelope) => actor.giveUp(envelope),
  };
}
