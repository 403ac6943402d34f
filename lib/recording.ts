import { currentCause, derivedCause, runWithCause, type Cause } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError } from './errors.ts';
import { describeError } from './event/describe-error.ts';
import { toPlain } from './event/to-plain.ts';
import { isThenable } from './invoke/invoke.ts';

/**
 * Runs `fn` between two events: `name.started` with the details, then `name.finished { durationMs, result }` or
 * `name.failed { durationMs, error }`. What happens inside has the first as its cause. Answers and throws as `fn`
 * does, also where the bus cannot take the second event: that is reported as `$bus.publish.failed`. Throws what
 * `emit` throws for the first one; `fn` has not run then.
 */
export function recordRun(core: Core, name: string, details: unknown, fn: () => unknown): unknown {
  if (typeof fn !== 'function')
    throw new TelltaleError(
      'INVALID_OPTION',
      `expected the third argument of \`record\` to be a function, got ${typeof fn}`,
    );
  const around = currentCause();
  const started = core.accept(around, `${name}.started`, toPlain(details));
  const cause = 'dropped' in started ? around : within(around, started);
  const begin = core.options.clock.monotonic();
  const end = (outcome: 'finished' | 'failed', about: Record<string, unknown>): void => {
    const type = `${name}.${outcome}`;
    const durationMs = core.options.clock.monotonic() - begin;
    try {
      core.emit(cause, type, { durationMs, ...about });
    } catch (error) {
      const { message, code } = describeError(error);
      core.reports.say('$bus.publish.failed', type, { type, code, message });
    }
  };
  const finished = (result: unknown): unknown => {
    end('finished', result === undefined ? {} : { result: toPlain(result) });
    return result;
  };
  const failed = (error: unknown): never => {
    end('failed', { error: toPlain(error) });
    throw error;
  };
  const run = (): unknown => settle(fn, finished, failed);
  return cause ? runWithCause(cause, run, undefined) : run();
}

/** The context of what happens inside: the started event is its cause, the handler around it still runs it. */
function within(around: Cause | undefined, started: Cause): Cause {
  const { correlationId, causationId, inherited, chain } = started;
  return derivedCause(around, { correlationId, causationId, inherited, chain });
}

// `finished` stands outside the try: it is no part of `fn`.
function settle(fn: () => unknown, finished: (result: unknown) => unknown, failed: (error: unknown) => never): unknown {
  let result: unknown;
  try {
    result = fn();
  } catch (error) {
    return failed(error);
  }
  return isThenable(result) ? Promise.resolve(result).then(finished, failed) : finished(result);
}
