import type { Asking, Cause, Chain, Retelling } from '../context.ts';
import type { Envelope, Recipient } from './envelope.ts';
import type { TelltaleEvent } from './event.ts';

/**
 * An event as one actor receives it: a context of its own, beside the handlers that share the envelope. Everything that
 * it does not add is read from the envelope. A class, since an object that others inherit from becomes slow.
 */
export class Receiving implements Envelope {
  readonly envelope: Envelope;
  receiver: string | undefined = undefined;
  hold: Cause['hold'] = undefined;

  constructor(envelope: Envelope) {
    this.envelope = envelope;
  }

  get event(): TelltaleEvent {
    return this.envelope.event;
  }

  get bytes(): number {
    return this.envelope.bytes;
  }

  get transient(): boolean {
    return this.envelope.transient;
  }

  get admitted(): boolean {
    return this.envelope.admitted;
  }

  get chain(): Chain {
    return this.envelope.chain;
  }

  get owner(): object {
    return this.envelope.owner;
  }

  get retelling(): Retelling | undefined {
    return this.envelope.retelling;
  }

  get asking(): Asking | undefined {
    return this.envelope.asking;
  }

  get origin(): object | undefined {
    return this.envelope.origin;
  }

  get to(): Recipient | undefined {
    return this.envelope.to;
  }

  get running(): number {
    return this.envelope.running;
  }

  set running(count: number) {
    this.envelope.running = count;
  }

  get position(): number {
    return this.envelope.position;
  }

  get writing(): boolean {
    return this.envelope.writing;
  }

  get deferred(): boolean {
    return this.envelope.deferred;
  }

  get whenStored(): Envelope['whenStored'] {
    return this.envelope.whenStored;
  }

  get correlationId(): string {
    return this.envelope.correlationId;
  }

  get handling(): string {
    return this.envelope.handling;
  }

  get causationId(): string | undefined {
    return this.envelope.causationId;
  }

  get inherited(): Readonly<Record<string, unknown>> | undefined {
    return this.envelope.inherited;
  }
}
