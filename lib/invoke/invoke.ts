import type { Clock } from '../clock.ts';
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
  /** Asked before each further attempt; false ends the retrying with the last failure. */
  readonly wanted: () => boolean;
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
  return tryAgain(first, () => attempt(handler, event, context), context, retry);
}

function attempt<Event, Context extends Attempt>(
  handler: (event: Event, context: Context) => unknown,
  event: Event,
  context: Context,
): undefined | Failure | Promise<undefined | Failure> {
  try {
    const result = handler(event, context);
    if (!isThenable(result)) return undefined;
    return Promise.resolve(result).then(
      () => undefined,
      (error: unknown) => ({ error, attempts: context.attempt }),
    );
  } catch (error) {
    return { error, attempts: context.attempt };
  }
}

async function tryAgain(
  first: Failure | Promise<undefined | Failure>,
  again: () => undefined | Failure | Promise<undefined | Failure>,
  context: Attempt,
  retry: RetryTerms,
): Promise<undefined | Failure> {
  let failure = await first;
  while (failure && context.attempt < retry.policy.attempts && retry.wanted()) {
    const delay = retryDelayMs(retry.policy, context.attempt);
    await new Promise<void>((resolve) => retry.clock.after(delay, resolve));
    if (!retry.wanted()) break;
    context.attempt++;
    failure = await again();
  }
  return failure;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
