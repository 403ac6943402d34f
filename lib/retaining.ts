import type { RetentionApi } from './api.ts';
import { mustNotBeCaptured } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError } from './errors.ts';
import { describeError } from './event/describe-error.ts';
import { parseRetention } from './retention/options.ts';
import { Retention } from './retention/retention.ts';
import type { Schedule } from './retention/schedule.ts';
import { Sweeper } from './retention/sweeper.ts';

/** Retention on the bus: plans and sweeps over its store, in the background where a schedule says so. */
export function createRetention(core: Core): RetentionApi {
  const { store, clock, source, retention: options = parseRetention({}) } = core.options;
  if (!store) return withoutStore();
  const retention = new Retention({
    store,
    clock,
    owner: source,
    options,
    written: () => core.written(),
    isBusy: () => (core.writer?.backlog.events ?? 0) > 0 || core.dispatcher.queued.events > 0,
  });
  const sweeper = options.schedule && startSweeping(core, retention, options.schedule);
  let stops = false;
  /** A bus that never clears anything away has nothing to wait for when it closes. */
  const stopping = (): Retention => {
    if (!stops) core.life.onShutDown(() => Promise.all([sweeper?.stop(), retention.close()]));
    stops = true;
    return retention;
  };
  if (sweeper) stopping();
  core.life.notice(() => noticesOf(retention));
  return {
    preview: async (given) => {
      core.mustAnswer();
      return retention.preview(given);
    },
    enforce: async (plan) => {
      mustNotBeCaptured('`retention.enforce`');
      core.mustAnswer();
      return stopping().enforce(plan);
    },
    clear: async (given) => {
      mustNotBeCaptured('`retention.clear`');
      core.mustAnswer();
      return stopping().clear(given);
    },
    stats: () => retention.stats.figures(sweeper?.nextAt),
  };
}

function startSweeping(core: Core, retention: Retention, schedule: Schedule): Sweeper {
  let sweeps = 0;
  // Each under a key of its own: no sweep is summed up with another.
  const say = (about: object): void => core.reports.say('$retention.swept', String(++sweeps), { ...about });
  const sweeper = new Sweeper({
    clock: core.options.clock,
    schedule,
    sweep: async (signal) => say(await retention.sweep(signal)),
    failed: (error, failures, retryInMs) => {
      retention.stats.noteFailure();
      say({ at: core.options.clock.now(), failed: describeError(error), failures, retryInMs });
    },
  });
  sweeper.start();
  return sweeper;
}

function noticesOf({ floors }: Retention): readonly string[] {
  return floors.map(
    ({ name, position, events, bytes }) =>
      `retention: ${name} has come to position ${position} and holds back ${events} events (${bytes} bytes)`,
  );
}

function withoutStore(): RetentionApi {
  const nothing = { sweeps: 0, skipped: 0, failures: 0, removed: { events: 0, bytes: 0, byRule: {} } };
  return { preview: refuse, enforce: refuse, clear: refuse, stats: () => nothing };
}

async function refuse(): Promise<never> {
  throw new TelltaleError('STORE_REQUIRED', 'retention needs a store, and this bus has none');
}
