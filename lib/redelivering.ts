import { actorOf } from './acting.ts';
import { consumerOf } from './consuming.ts';
import { mustNotBeCaptured, NO_CHAIN, runWithCause, runWithoutCause, type Retelling } from './context.ts';
import type { Core } from './core.ts';
import { consumerNamed } from './delivery/letters.ts';
import { Envelope } from './event/envelope.ts';
import type { StoredEvent, TelltaleEvent } from './event/event.ts';
import { retryImpossible, type LetterEvent } from './letters/event-of.ts';
import type { Letter } from './letters/letter.ts';
import { createLetters, type DeadLetterBox } from './letters/letters.ts';
import { Retrier, type Delivered, type RetryPort } from './letters/retrier.ts';
import { scheduleRetries } from './letters/schedule.ts';
import { Shelf } from './letters/shelf.ts';
import { presenterOf } from './presenting.ts';
import type { PublishTerms } from './publishing.ts';
import type { Target } from './router/target.ts';

/** The dead letters of a bus: to look at, to try again, to throw away; tried again in the background where it says so. */
export function createDeadLetters(core: Core): DeadLetterBox {
  const { store, clock, deadLetters, closeTimeoutMs: patienceMs } = core.options;
  const { retry } = deadLetters;
  const { letters } = core;
  const shelf = new Shelf({ store, clock, letters });
  const retrier = new Retrier(retryPort(core));
  if (retry) {
    const isWanted = (letter: Letter): boolean => isPublished(letter) || recipientsOf(core, letter).length > 0;
    const failed = (error: unknown): void => {
      const part = { owner: retrier, key: 'retry', thing: 'the retry of dead letters', about: {} };
      core.reports.failed('$bus.dead-letters.failed', part, error, { warn: false });
    };
    core.life.onShutDown(
      runWithoutCause(() => scheduleRetries(retry, { clock, shelf, retrier, isWanted, failed, patienceMs })),
    );
  }
  // What is looked for may still be on its way into the log.
  const written = (): Promise<void> => core.written();
  const box = createLetters({ shelf, retrier, written });
  // Without a store a closed bus can still be asked: what it cut is told nowhere else.
  const openBox = (): DeadLetterBox => {
    if (store) core.mustAnswer();
    return box;
  };
  return {
    list: async (query) => openBox().list(query),
    get: async (id) => openBox().get(id),
    retry: async (...given) => {
      mustNotBeCaptured('`deadLetters.retry`');
      return openBox().retry(...given);
    },
    discard: async (...given) => {
      mustNotBeCaptured('`deadLetters.discard`');
      return openBox().discard(...given);
    },
  };
}

function retryPort(core: Core): RetryPort {
  const { store } = core.options;
  const present = presenterOf(core);
  return {
    store,
    letters: core.letters,
    mustBeAble: () => {
      core.mustAccept(undefined);
      const full = core.carrier.full(1, 0);
      if (full) throw full;
    },
    pause: (ms) => pauseUnlessClosed(core, ms),
    after: (ms, fn) => core.options.clock.after(ms, fn),
    deliver: (letter, { event, position }, ended) => {
      // Handlers expect what is current; an event that was never stored is.
      const told = position > 0 ? present(event as StoredEvent) : event;
      const recipients = recipientsOf(core, letter).filter((target) => target.wants(told));
      const { recipient } = letter;
      if (recipients.length === 0) throw retryImpossible(letter, noListener(recipient), false);
      deliver(core, recipients, { event: told, position }, ended);
    },
    publish: (letter, event) => publishAgain(core, letter, event),
  };
}

function noListener(recipient: string | undefined): string {
  if (recipient === undefined) return 'nobody listens to it now';
  const consumer = consumerNamed(recipient);
  if (consumer !== undefined) return `consumer \`${consumer}\` does not run on this bus now`;
  return `no subscription of \`${recipient}\` takes it now`;
}

/** A subscription, a group, an actor, or a consumer by its name. */
type Recipient = Pick<Target, 'wants' | 'again'>;

const isPublished = ({ reason }: Letter): boolean => reason === 'refused' || reason === 'not-stored';

// Whether anybody listens at all is told by type and pattern; the whole event is not read for that.
function recipientsOf(core: Core, { eventType, recipient, group }: Letter): readonly Recipient[] {
  const name = consumerNamed(recipient);
  if (name !== undefined) {
    const consumer = consumerOf(core, name);
    if (!consumer) return [];
    return [{ wants: () => consumer.isListening, again: (envelope) => consumer.again(envelope) }];
  }
  const actor = actorOf(core, recipient);
  if (actor) return [{ wants: () => actor.live, again: (envelope) => actor.take(envelope) }];
  return core.router.recipients(eventType, recipient, group);
}

// To each its own envelope, through its own mailbox; done when the last has ended.
function deliver(
  core: Core,
  recipients: readonly Recipient[],
  { event, position }: LetterEvent,
  ended: (outcome: Delivered) => void,
): void {
  let left = recipients.length;
  let outcome: Delivered = 'handled';
  const one = (its: Delivered): void => {
    if (its !== 'handled' && (outcome === 'handled' || outcome === 'cancelled')) outcome = its;
    if (--left > 0) return;
    stopListening();
    ended(outcome);
  };
  const attempts = recipients.map((target) => ({ target, ...oneAttempt(one) }));
  const stopListening = core.life.onClose(() => {
    for (const { cancel } of attempts) cancel();
  });
  const bytes = JSON.stringify(event).length;
  for (const { target, retelling } of attempts) {
    const envelope = Object.assign(new Envelope(event, bytes, false, true, NO_CHAIN, core), { retelling, position });
    runWithCause(envelope, () => target.again(envelope), undefined);
  }
}

function oneAttempt(ended: (outcome: Delivered) => void): { retelling: Retelling; cancel: () => void } {
  let outcome: Delivered = 'handled';
  let status: 'running' | 'ended' = 'running';
  const end = (): void => {
    if (status === 'ended') return;
    status = 'ended';
    ended(outcome);
  };
  const cancel = (): void => {
    if (status === 'running') outcome = 'cancelled';
    end();
  };
  const failed = (_: object, error: unknown): void => void (outcome = { error });
  return { retelling: { id: undefined, capture: undefined, failed, dropped: cancel, ended: end }, cancel };
}

// With an id that stays the same, so that a crash behind the write stores nothing twice.
function publishAgain(core: Core, letter: Letter, given: TelltaleEvent): Promise<unknown> {
  const { type, payload, position: _, revision: __, storedAt: ___, ...about } = given as Partial<StoredEvent>;
  const id = letter.eventId === '' ? `${letter.id}#again` : letter.eventId;
  const options = { ...about, id } as PublishTerms;
  return runWithoutCause(() =>
    core.letters.publishAgain(id, () => core.publish(undefined, type as string, payload, options)),
  );
}

function pauseUnlessClosed(core: Core, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const steps: (() => void)[] = [];
    const end = (): void => {
      for (const step of steps.splice(0)) step();
      resolve();
    };
    steps.push(core.options.clock.wait(ms, end));
    steps.push(core.life.onClose(end));
  });
}
