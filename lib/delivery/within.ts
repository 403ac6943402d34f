import { isTelltaleError } from '../errors.ts';
import type { HandlerSite } from '../invoke/handler-context.ts';
import type { CheckpointTarget, TargetCheckpoint } from './target.ts';
import type { ConsumerHandler } from './terms.ts';
import { commitTo } from './trusting.ts';

/** What a target failed of, not the handler: the event is not to blame. */
export class TargetFailure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** What is run for an event, and the surroundings its context tells of. */
export interface Call {
  readonly call: ConsumerHandler;
  readonly site: HandlerSite;
}

/** The handler within a transaction of the target: what it writes and the checkpoints are committed together, each attempt for itself. */
export function within(
  target: CheckpointTarget,
  checkpoints: readonly TargetCheckpoint[],
  handler: ConsumerHandler,
  { signal, recipient }: HandlerSite,
): Call {
  const site = { signal, recipient, tx: undefined as unknown };
  const call: ConsumerHandler = async (given, context) => {
    let thrown: { readonly error: unknown } | undefined;
    try {
      await commitTo(target, checkpoints, async (tx) => {
        site.tx = tx;
        try {
          await handler(given, context);
        } catch (error) {
          thrown = { error };
          throw error;
        }
      });
    } catch (error) {
      // However the target passes it on, it is the handler's; a target that has broken its word is to blame for all.
      const isHandlers = thrown && (error === thrown.error || !isTelltaleError(error, 'TARGET_BROKEN'));
      throw isHandlers ? thrown!.error : new TargetFailure(error);
    }
  };
  return { call, site };
}
