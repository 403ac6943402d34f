import type { Joining } from './invoke/handler-context.ts';
import type { Joint } from './context.ts';
import type { Core } from './core.ts';
import { isTelltaleError, TelltaleError, toError } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { AppendReceipt, Expectation, PendingAppend, StoreTransactions } from './store/port.ts';

/** What was published together. */
interface Publication {
  readonly envelopes: readonly Envelope[];
  readonly expect: Expectation | undefined;
  receipt?: AppendReceipt;
}

/** Takes part in a transaction from now on: what is published with this cause stands or falls with it. */
export function joinTransaction(core: Core, cause: Envelope, tx: unknown): Joining {
  return new Participation(core, cause, tx);
}

/** What a context publishes whose handler has ended: the transaction went without it. */
export function publishedLate(type: string): TelltaleError {
  const text = `publish of \`${type}\` by the context of a handler with \`checkpointIn\` that has ended: its transaction cannot take it any more; await it in the handler, or use \`bus.publish\``;
  return new TelltaleError('PUBLISH_IN_TRANSACTION', text);
}

/**
 * What a handler publishes in the transaction of its target. It is written when the handler has ended, in the order of
 * the calls: the log is locked for other writers as shortly as possible, and a handler that waits for something else of
 * the store never waits for itself. Failure: what is refused fails the handler, whether it looked or not.
 */
class Participation implements Joining, Joint {
  readonly #core: Core;
  readonly #tx: unknown;
  readonly #publications: Publication[] = [];
  readonly #asked: Promise<unknown>[] = [];
  #refusal: Error | undefined;
  isOver = false;

  constructor(core: Core, cause: Envelope, tx: unknown) {
    this.#core = core;
    this.#tx = tx;
    cause.joint = this;
  }

  publish(envelopes: readonly Envelope[], expect: Expectation | undefined): Promise<void> {
    return this.#take({ envelopes, expect });
  }

  attend(publishing: Promise<unknown>): void {
    this.#asked.push(publishing.catch((error: unknown) => (this.#refusal ??= toError(error))));
  }

  end(): void {
    this.isOver = true;
  }

  async store(): Promise<Error | undefined> {
    await Promise.all(this.#asked);
    if (this.#refusal || this.#publications.length === 0) return this.#refusal;
    const { chains } = this.#core.carrier;
    for (const { envelopes } of this.#publications) for (const envelope of envelopes) chains?.remember(envelope);
    const appends = this.#publications.map(toAppend);
    const { outcomes } = await this.#transactions!.append(this.#tx, appends);
    for (const [i, outcome] of outcomes.entries()) {
      if (isTelltaleError(outcome)) return outcome;
      this.#publications[i]!.receipt = outcome;
    }
    return undefined;
  }

  committed(): void {
    if (this.#publications.length === 0) return;
    for (const { envelopes, receipt } of this.#publications) this.#core.carrier.stored(envelopes, receipt!);
    this.#transactions!.committed();
  }

  get #transactions(): StoreTransactions | undefined {
    return this.#core.options.store?.transactions;
  }

  async #take(publication: Publication): Promise<void> {
    this.#publications.push(publication);
    const isOurs = (await this.#transactions?.isOurs(this.#tx)) ?? false;
    if (!isOurs) throw otherDatabase(publication);
  }
}

function toAppend({ envelopes, expect }: Publication): PendingAppend {
  return {
    events: envelopes.map(({ event }) => event),
    bytes: envelopes.reduce((sum, { bytes }) => sum + bytes, 0),
    // An attempt before this one may have been committed after all.
    fresh: false,
    admitted: envelopes.every(({ admitted }) => admitted),
    ...(expect !== undefined && { expect }),
    acknowledged: () => undefined,
    failed: () => undefined,
  };
}

function otherDatabase({ envelopes }: Publication): TelltaleError {
  const types = [...new Set(envelopes.map(({ event }) => `\`${event.type}\``))].join(', ');
  const text = `publish of ${types} in a handler with \`checkpointIn\`: the log is not in the target's database, so the one could be there without the other; \`emit\` it (at least once), or keep both in one database`;
  return new TelltaleError('PUBLISH_IN_TRANSACTION', text);
}
