import { currentCause, runWithCause } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError } from './errors.ts';
import type { TelltaleEvent } from './event/event.ts';
import { toPlain } from './event/to-plain.ts';
import { isThenable } from './invoke/invoke.ts';
import { deriveCause } from './scoping.ts';

/**
 * Runs `fn` between two events: `name.started` with the details, then `name.finished { durationMs, result }` or
 * `name.failed { durationMs, error }`. What happens inside has the first as its cause. Answers and throws as `fn` does.
 */
export function recordRun(core: Core, name: string, details: unknown, fn: () => unknown): unknown {
  if (typeof fn !== 'function')
    throw new TelltaleError('INVALID_OPTION', 'expected the third argument of `record` to be a function');
  const around = currentCause();
  const started = core.emit(around, `${name}.started`, toPlain(details));
  const cause = deriveCause(around, { correlationId: started.correlationId, causationId: started.id });
  const begin = core.options.clock.monotonic();
  const end = (outcome: 'finished' | 'failed', about: Record<string, unknown>): TelltaleEvent =>
    core.emit(cause, `${name}.${outcome}`, { durationMs: core.options.clock.monotonic() - begin, ...about });
  const finished = (result: unknown): unknown => {
    end('finished', result === undefined ? {} : { result: toPlain(result) });
    return result;
  };
  const failed = (error: unknown): never => {
    end('failed', { error: toPlain(error) });
    throw error;
  };
  return runWithCause(cause, () => settle(fn, finished, failed), undefined);
}

// `finished` stands outside the try: what it throws (a full bus) is no failure of `fn`.
function settle(fn: () => unknown, finished: (result: unknown) => unknown, failed: (error: unknown) => never): unknown {
  let result: unknown;
  try {
    result = fn();
  } catch (error) {
    return failed(error);
  }
  return isThenable(result) ? Promise.resolve(result).then(finished, failed) : finished(result);
}
