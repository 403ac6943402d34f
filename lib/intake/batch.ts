import { TelltaleError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { Expectation } from '../store/port.ts';

export interface BatchPort<Receipt> {
  accept(type: string, payload: unknown, options: unknown): Envelope | undefined;
  commit(envelopes: readonly Envelope[], expect: Expectation | undefined): Promise<Receipt>;
}

/**
 * Events that are stored all or not at all, at consecutive positions. Each is checked when it is added; nothing is
 * stored or dispatched before `commit` has been acknowledged.
 */
export class Batch<Receipt> {
  readonly #port: BatchPort<Receipt>;
  readonly #envelopes: Envelope[] = [];
  #status: 'open' | 'committed' | 'discarded' = 'open';

  constructor(port: BatchPort<Receipt>) {
    this.#port = port;
  }

  get size(): number {
    return this.#envelopes.length;
  }

  add(type: string, payload: unknown, options?: unknown): this {
    this.#mustBeOpen('add to');
    const envelope = this.#port.accept(type, payload, options);
    if (envelope) this.#envelopes.push(envelope);
    return this;
  }

  /** Resolves when all of them are stored. Rejects with the store's refusal; nothing is stored then. */
  async commit(options: { readonly expect?: Expectation } = {}): Promise<Receipt> {
    this.#mustBeOpen('commit');
    this.#status = 'committed';
    return this.#port.commit(this.#envelopes, options.expect);
  }

  /** Forgets the events; answers how many there were. */
  discard(): number {
    this.#mustBeOpen('discard');
    this.#status = 'discarded';
    return this.#envelopes.splice(0).length;
  }

  #mustBeOpen(verb: string): void {
    if (this.#status === 'open') return;
    throw new TelltaleError('BATCH_DONE', `cannot ${verb} a batch that is ${this.#status}`);
  }
}
