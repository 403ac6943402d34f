import { warnOfFault } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import { createCounts } from '../mailbox/counts.ts';
import type { Failure } from '../invoke/invoke.ts';
import type { Work } from './instance.ts';
import type { ActorPort, ActorRef } from './port.ts';

/** What becomes of the events of one actor, counted and told: each ends once. */
export class Books {
  readonly counts = { ...createCounts(), restarts: 0 };
  readonly #actor: ActorRef;
  readonly #port: ActorPort;

  constructor(actor: ActorRef, port: ActorPort) {
    this.#actor = actor;
    this.#port = port;
  }

  begin(envelope: Envelope): void {
    this.counts.running++;
    envelope.running++;
  }

  /** Its handling is over, and the event waits again. */
  leave({ envelope }: Work): void {
    this.counts.running--;
    envelope.running--;
  }

  done(work: Work, as: 'handled' | 'failed'): void {
    const { envelope } = work;
    this.leave(work);
    this.counts[as]++;
    const { durable } = this.#actor.behaviour;
    if (!durable && envelope.retelling === undefined) return;
    safely(() => {
      envelope.retelling?.ended(envelope);
      if (durable) this.#port.handled(envelope);
    });
  }

  fail(work: Work, error: unknown): void {
    this.leave(work);
    this.refuse(work.envelope, { error, attempts: work.attempt });
  }

  refuse(envelope: Envelope, failure: Failure): void {
    this.counts.failed++;
    safely(() => {
      this.#port.failed(this.#actor, envelope, failure);
      envelope.retelling?.ended(envelope);
    });
  }

  drop(envelopes: readonly Envelope[]): void {
    if (envelopes.length === 0) return;
    this.counts.dropped += envelopes.length;
    this.#port.dropped(this.#actor, envelopes);
    for (const one of envelopes) one.retelling?.ended(one);
  }

  cancel(envelopes: readonly Envelope[], error: unknown): void {
    if (envelopes.length === 0) return;
    this.counts.cancelled += envelopes.length;
    this.#port.cut(this.#actor, envelopes, error);
  }
}

// Instances go on and figures add up whatever those do that are told.
function safely(tell: () => void): void {
  try {
    tell();
  } catch (error) {
    warnOfFault('what is told of the end of an event', error);
  }
}
