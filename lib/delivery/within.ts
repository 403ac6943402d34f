import { expected, isTelltaleError } from '../errors.ts';
import type { HandlerSite, Joining } from '../invoke/handler-context.ts';
import { isThenable, letGo } from '../invoke/invoke.ts';
import type { CheckpointTarget, SynchronousTarget } from './target.ts';
import type { ConsumerHandler } from './terms.ts';

/** What something else than the handler failed of, a target or the storing of a letter: the event is not to blame. */
export class OtherFailure extends Error {
  readonly error: unknown;

  constructor(error: unknown) {
    super('something else than the handler has failed', { cause: error });
    this.error = error;
  }
}

/** What is run for an event, and the surroundings its context tells of. */
export interface Call {
  readonly call: ConsumerHandler;
  readonly site: HandlerSite;
}

export interface WithinTerms {
  readonly target: CheckpointTarget;
  /** Runs what it is given in a transaction of the target. */
  readonly commit: (run: (tx: unknown) => Promise<void>) => Promise<void>;
  readonly handler: ConsumerHandler;
  readonly site: HandlerSite;
  /** What the handler publishes belongs to the transaction. */
  readonly join: (tx: unknown) => Joining;
}

/**
 * The handler within a transaction of the target: what it writes, what it publishes and the checkpoints are committed
 * together, each attempt for itself.
 */
export function within({ target, commit, handler, join, ...terms }: WithinTerms): Call {
  const { signal, recipient } = terms.site;
  const site = { signal, recipient, tx: undefined as unknown };
  const call: ConsumerHandler = async (given, context) => {
    let thrown: { readonly error: unknown } | undefined;
    let joining: Joining | undefined;
    try {
      await commit(async (tx) => {
        site.tx = tx;
        // A target may begin once more.
        thrown = undefined;
        joining = join(tx);
        try {
          await answered(target, 'the handler', handler(given, context));
        } catch (error) {
          thrown = { error };
          throw error;
        } finally {
          joining.end();
        }
        const refusal = await joining.store();
        if (refusal === undefined) return;
        thrown = { error: refusal };
        throw refusal;
      });
    } catch (error) {
      // What only the target can tell is the truer cause.
      if (isTelltaleError(error, 'HANDLER_FAILED')) throw error;
      // However the target passes it on, it is the handler's; a target that has broken its word is to blame for all.
      const isHandlers = thrown && (error === thrown.error || !isTelltaleError(error, 'TARGET_BROKEN'));
      if (isHandlers) throw thrown!.error;
      throw new OtherFailure(error);
    }
    joining?.committed();
  };
  return { call, site };
}

/** Throws where what ran in a transaction of a target that is synchronous goes on. */
export function answered(target: CheckpointTarget, what: string, answer: unknown): unknown {
  const { synchronous } = target as Partial<SynchronousTarget>;
  if (!synchronous || !isThenable(answer)) return answer;
  letGo(answer);
  throw expected('INVALID_OPTION', `what ${what} answers`, 'no Promise: its target is synchronous', answer);
}
