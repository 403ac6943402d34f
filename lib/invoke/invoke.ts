import type { Clock } from '../clock.ts';
import { onAbort } from '../on-abort.ts';
import type { RetryPolicy } from '../retry.ts';
import { retryDelayMs } from '../retry.ts';

/** A handler threw or rejected; nothing else in the bus catches what user code throws. */
export interface Failure {
  readonly error: unknown;
  readonly attempts: number;
}

export interface Attempt {
  /** From 1; the context the handler sees reads it. */
  attempt: number;
}

export interface RetryTerms {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  /** Aborted: no further attempt is made, the last failure stands. Cuts a wait short. */
  readonly signal: AbortSignal;
}

/**
 * Runs a handler alone: what it throws becomes a value. Answers undefined when it has succeeded, a failure, or a
 * Promise of either for a handler that is asynchronous or is tried again. The Promise never rejects.
 */
export function invoke<Event, Context extends Attempt>(
  handler: (event: Event, context: Context) => unknown,
  event: Event,
  context: Context,
  retry?: RetryTerms,
): undefined | Failure | Promise<undefined | Failure> {
  const first = attempt(handler, event, context);
  if (first === undefined || !retry || retry.policy.attempts <= 1) return first;
  return tryAgain(first, { handler, event, context }, retry);
}

function attempt<Event, Context extends Attempt>(
  handler: (event: Event, context: Context) => unknown,
  event: Event,
  context: Context,
): undefined | Failure | Promise<undefined | Failure> {
  try {
    const result = handler(event, context);
    if (!isThenable(result)) return undefined;
    return settlement(result, context);
  } catch (error) {
    return { error, attempts: context.attempt };
  }
}

// In a function of its own: a closure in `attempt` would cost every synchronous handler an allocation.
function settlement(result: PromiseLike<unknown>, context: Attempt): Promise<undefined | Failure> {
  // The platform's own `then`, whatever the handler's promise has in its place: it settles once, and later.
  return Promise.prototype.then.call(
    Promise.resolve(result),
    () => undefined,
    (error: unknown) => ({ error, attempts: context.attempt }),
  ) as Promise<undefined | Failure>;
}

interface Call<Event, Context extends Attempt> {
  readonly handler: (event: Event, context: Context) => unknown;
  readonly event: Event;
  readonly context: Context;
}

async function tryAgain<Event, Context extends Attempt>(
  first: Failure | Promise<undefined | Failure>,
  { handler, event, context }: Call<Event, Context>,
  retry: RetryTerms,
): Promise<undefined | Failure> {
  let failure = await first;
  const { policy, clock, signal } = retry;
  // Counted here: the context belongs to the handler, which may write to it.
  for (let tried = 1; failure && tried < policy.attempts && !signal.aborted; tried++) {
    await waitUnlessAborted(clock, retryDelayMs(policy, tried), signal);
    if (signal.aborted) break;
    context.attempt = tried + 1;
    failure = await attempt(handler, event, context);
  }
  return failure;
}

function waitUnlessAborted(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      forget();
      resolve();
    };
    const cancel = clock.wait(ms, end);
    const forget = onAbort(signal, end);
  });
}

/** For a Promise that is refused: nobody else would look at its rejection, which would end the process. */
export function letGo(refused: unknown): void {
  void invoke(() => refused, undefined, { attempt: 1 });
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { then?: unknown }).then === 'function';
}
