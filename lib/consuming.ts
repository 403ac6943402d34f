import type { Consumers } from './consuming-api.ts';
import { currentCause, mustNotBeCaptured, runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { Consumer } from './delivery/consumer.ts';
import { differenceOf, ledgerTermsOf } from './delivery/ledger.ts';
import { hasOpenLetter, onSettled, recipientOf } from './delivery/letters.ts';
import { listConsumers, removeConsumer, type ListingPort } from './delivery/listing.ts';
import { parseConsume, type ConsumeOptions } from './delivery/options.ts';
import type { ConsumerFigures, ConsumerPort, ConsumerTerms } from './delivery/terms.ts';
import { TelltaleError, messageOf } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import { toEnvelope } from './following.ts';
import type { Failure } from './invoke/invoke.ts';
import type { Working } from './lifecycle.ts';
import { channels } from './observe/channels.ts';
import { onEnd } from './on-end.ts';
import { presenterOf } from './presenting.ts';
import { RecentChains } from './router/recent-chains.ts';
import type { KeptLetter } from './store/dead-letters.ts';
import type { Store } from './store/port.ts';
import { contextPort } from './wiring.ts';

/** Durable consumers on the bus. */
export function createConsuming(core: Core): {
  consume(name: string, pattern: string, handler: unknown, options?: ConsumeOptions): Consumer;
  readonly consumers: Consumers;
} {
  const listing = (): ListingPort => {
    core.mustAnswer();
    const { clock } = core.options;
    return { store: mustConsume(core), clock, statusOf: (name) => consumerOf(core, name)?.status };
  };
  return {
    consume: (name, pattern, handler, options) => {
      mustNotBeCaptured('`consume`');
      mustConsume(core);
      core.mustAccept(currentCause());
      const { signal, ...terms } = parseConsume(name, pattern, handler, options);
      const consumer = runConsumer(core, terms);
      // Whoever aborts it does not wait for it, not even in its own handler.
      if (signal) onEnd(core, signal, () => void runWithoutCause(() => consumer.stop()));
      return consumer;
    },
    consumers: {
      list: async () => listConsumers(listing()),
      remove: async (name) => {
        mustNotBeCaptured('`consumers.remove`');
        return removeConsumer(name, listing());
      },
    },
  };
}

/**
 * Starts a consumer of this bus, which stops it when it begins to close; for its own parts too. Throws `STORE_REQUIRED`,
 * and `INVALID_OPTION` where one of its name is at work and they are no group, or read different events.
 */
export function runConsumer(core: Core, terms: ConsumerTerms): Consumer {
  const all = consumersOf(core);
  for (const other of all) if (other.name === terms.name) mustShare(other, terms);
  core.carrier.chains ??= new RecentChains();
  const store = mustConsume(core);
  const leave =
    terms.onFailure === 'skip-key'
      ? onSettled(store, recipientOf(terms.name), (position) => consumer.letterSettled(position))
      : undefined;
  const changed = (): void => {
    if (consumer.status === 'stopped' || consumer.status === 'failed') leave?.();
    if (consumer.status === 'stopped') dismiss(consumer, all);
    if (consumer.status === 'stopped' || consumer.status === 'failed') core.life.working.delete(work);
    sayStatus(core, consumer);
  };
  const consumer = runWithoutCause(() => new Consumer(portOf(core, terms, changed), terms));
  for (const other of all) if (other.name === terms.name && other.status === 'failed') dismiss(other, all);
  all.add(consumer);
  // When the bus cuts what still runs, it has stopped: what it has not done waits in the log. What it has left running
  // is counted whether it has stopped or not.
  const work: Working = {
    name: `consumer ${terms.name}`,
    get load() {
      return consumer.load;
    },
    cut: () => ({ cut: 0, stillRunning: 0 }),
  };
  core.life.working.add(work);
  return consumer;
}

/** The books of the consumers that run on this bus. */
export function consumerFigures(core: Core): readonly ConsumerFigures[] {
  return [...(running.get(core) ?? [])].map(({ figures }) => figures);
}

/** The one of this name that can be given an event again. */
export function consumerOf(core: Core, name: string | undefined): Consumer | undefined {
  return [...(running.get(core) ?? [])].find((consumer) => consumer.name === name);
}

const running = new WeakMap<Core, Set<Consumer>>();
/** They have ended before their handlers have. */
const outlived = new WeakMap<ReadonlySet<Consumer>, Set<Consumer>>();

function dismiss(consumer: Consumer, all: Set<Consumer>): void {
  all.delete(consumer);
  const left = outlived.get(all)!;
  for (const one of left) if (one.figures.running === 0) left.delete(one);
  if (consumer.figures.running > 0) left.add(consumer);
}

// A bus without consumers closes, settles and reports without looking for any.
function consumersOf(core: Core): Set<Consumer> {
  const known = running.get(core);
  if (known) return known;
  const all = new Set<Consumer>();
  running.set(core, all);
  const left = new Set<Consumer>();
  outlived.set(all, left);
  core.life.abandoned = () => [...all, ...left].reduce((sum, one) => sum + one.figures.running, 0);
  core.life.onShutDown(async () => {
    core.carrier.chains = undefined;
    await Promise.all([...all].map((consumer) => consumer.stop()));
  });
  core.life.notice(() => [...all].flatMap(noticeOf));
  return all;
}

const mustConsume = (core: Core): Store => core.storeFor('a consumer');

function mustShare(other: Consumer, terms: ConsumerTerms): void {
  if (other.status === 'failed') return;
  const { name } = terms;
  if (!terms.group) {
    const text = `consumer \`${name}\` is at work on this bus already: stop it first, or share its events with \`group: true\` on both`;
    throw new TelltaleError('INVALID_OPTION', text, { details: { name } });
  }
  const option = differenceOf(ledgerTermsOf(other.terms), ledgerTermsOf(terms));
  if (option === undefined) return;
  const text = `consumer \`${name}\` is at work with another \`${option}\`: all members of a group must have the same`;
  throw new TelltaleError('INVALID_OPTION', text, { details: { name, option } });
}

function portOf(core: Core, { name }: ConsumerTerms, changed: ConsumerPort['changed']): ConsumerPort {
  const { clock, closeTimeoutMs } = core.options;
  const store = mustConsume(core);
  const present = presenterOf(core);
  return {
    store,
    clock,
    turn: core.turn,
    context: contextPort(core),
    // A little is left for the last checkpoint.
    closeTimeoutMs: closeTimeoutMs * 0.8,
    envelopeOf: (event) => toEnvelope(core, present(event), false),
    written: () => core.written(),
    failed: (envelope, failure) => handlerFailed(core, name, envelope, failure),
    gaveUp: async (envelope, failure) => openLetter(core, name, envelope, failure),
    heldBack: async (envelope, failure, wanted) => {
      if ((await hasLetter(core, store, name, envelope)) || !wanted()) return;
      void openLetter(core, name, envelope, failure);
    },
    unavailable: core.unavailableTo(`consumer ${name}`),
    changed,
    eased: () => core.life.wake(),
  };
}

/** Answers whether it is in the log, as far as there is one, when its write has ended. */
function openLetter(core: Core, name: string, envelope: Envelope, { error, attempts }: Failure): Promise<boolean> {
  if (envelope.event.type.startsWith('$')) return Promise.resolve(true);
  const draft = { reason: 'handler-failed', error, recipient: recipientOf(name), attempts } as const;
  return new Promise((resolve) => core.letters.open(envelope, draft, resolve));
}

// Since before the last start. Where the log cannot be asked, two letters are better than none.
async function hasLetter(core: Core, store: Store, name: string, { position }: Envelope): Promise<boolean> {
  const recipient = recipientOf(name);
  const isIt = ({ letter }: KeptLetter): boolean => letter.recipient === recipient && letter.position === position;
  if (core.letters.kept().some(isIt)) return true;
  return hasOpenLetter(store, recipient, position).catch(() => false);
}

function handlerFailed(core: Core, name: string, envelope: Envelope, { error, attempts }: Failure): void {
  const { source } = core.options;
  if (channels.handlerFailed.hasSubscribers)
    channels.handlerFailed.publish({ source, event: envelope.event, pattern: name, error });
  runWithoutCause(() => core.reports.handlerFailed(running.get(core)!, name, envelope, error, attempts));
}

/** What it does by itself is told; what somebody asked for he knows. */
function sayStatus(core: Core, consumer: Consumer): void {
  const { name, status, error, position } = consumer;
  if (error === undefined || (status !== 'paused' && status !== 'failed')) return;
  const part = {
    owner: consumer,
    key: name,
    thing: `consumer \`${name}\` is ${status}: it`,
    about: { name, position },
  };
  runWithoutCause(() => core.reports.failed(`$bus.consumer.${status}`, part, error));
}

function noticeOf({ name, status, error, position, hindrance }: Consumer): readonly string[] {
  if (error === undefined) return hindrance === undefined ? [] : [`consumer ${name}: ${hindrance}`];
  return [`consumer ${name} is ${status} at position ${position}: ${messageOf(error)}`];
}
