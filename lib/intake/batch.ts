import { TelltaleError, expected } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import { checkId } from '../event/identity.ts';
import { mustKnow } from '../parse-options.ts';
import type { Expectation } from '../store/port.ts';
import { checkExpect, type EmitOptions } from './emit-options.ts';

/** Where in which batch an event stands. */
export interface BatchPlace {
  readonly id: string;
  /** In a batch whose id the caller chose, its events have ids that follow from it: the same batch again is a duplicate. */
  readonly eventId?: string;
}

export interface BatchPort<Receipt> {
  accept(type: string, payload: unknown, options: unknown): Envelope | undefined;
  commit(envelopes: readonly Envelope[], expect: Expectation | undefined): Promise<Receipt>;
  /** Counts and reports a rejection that nobody may await. */
  watch(receipt: Promise<Receipt>, types: string): Promise<Receipt>;
}

const MAX_BATCH_ID_BYTES = 240;
const PLAIN: ReadonlySet<unknown> = new Set([Object.prototype, null]);

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
  commit(options?: { readonly expect?: Expectation }): Promise<Receipt> {
    return this.#port.watch(
      this.#commit(options),
      this.#envelopes
        .map(({ event }) => event.type)
        .join(', ')
        .slice(0, 256),
    );
  }

  async #commit(options: { readonly expect?: Expectation } = {}): Promise<Receipt> {
    this.#mustBeOpen('commit');
    const { expect } = onlyKey(options, 'expect', 'commit');
    checkExpect(expect);
    this.#status = 'committed';
    return this.#port.commit(this.#envelopes, expect);
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

/** The caller's id of a batch, if there is one. Throws `INVALID_OPTION`, `INVALID_ID`. */
export function parseBatchId(options: unknown): string | undefined {
  const { id } = onlyKey(options ?? {}, 'id', 'batch');
  // Room for the number that makes it the id of an event.
  if (typeof id === 'string' && Buffer.byteLength(id) > MAX_BATCH_ID_BYTES)
    throw expected('INVALID_ID', 'the batch id', `at most ${MAX_BATCH_ID_BYTES} bytes`, id);
  return id === undefined ? undefined : checkId(id, 'the batch id');
}

/** The options of an event that becomes part of a batch. */
export function inBatch(given: EmitOptions | undefined, { id, eventId }: BatchPlace): EmitOptions {
  const { metadata = {} } = given ?? {};
  // Anything else is left as it is for admission to refuse: a copy of a Map or an instance would look plain.
  const isPlain = typeof metadata === 'object' && metadata !== null && PLAIN.has(Object.getPrototypeOf(metadata));
  const marked = isPlain ? { ...metadata, batchId: id } : metadata;
  return { ...(eventId !== undefined && { id: eventId }), ...given, metadata: marked };
}

export function notForBatches(type: string): TelltaleError {
  return new TelltaleError('INVALID_OPTION', `a batch holds stored events only, \`${type}\` is transient`);
}

function onlyKey(options: unknown, known: string, of: string): Readonly<Record<string, unknown>> {
  mustKnow(options, [known], of);
  return options as Readonly<Record<string, unknown>>;
}
