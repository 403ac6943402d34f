import { AsyncResource } from 'node:async_hooks';
import { actorFigures, createActing } from './acting.ts';
import type * as Api from './api.ts';
import { createAsking, asksOf } from './asking.ts';
import { startBatch } from './batching.ts';
import { currentCause, runWithCause, runWithoutCause } from './context.ts';
import type { Clock } from './clock.ts';
import { consumerFigures, createConsuming } from './consuming.ts';
import { Core } from './core.ts';
import type { Duration } from './duration.ts';
import { TelltaleError } from './errors.ts';
import type { EventDeclarations, PayloadsOf } from './event/define-events.ts';
import { createFolding } from './folding.ts';
import { registerBus } from './linking.ts';
import { iterateEvents, listen, observeEvents, waitOnce } from './listening.ts';
import { parseBusOptions, parseSettled, parseSubscribe, type BusOptions } from './options.ts';
import { createSchemas } from './registering.ts';
import { createReading } from './reading.ts';
import { createReplaying } from './replaying.ts';
import { createRetention } from './retaining.ts';
import { addPipeline, type RunningPipeline } from './pipelines.ts';
import { createScheduling } from './scheduling.ts';
import { describeContext, deriveCause } from './scoping.ts';
import { createDeadLetters } from './redelivering.ts';
import { recordRun } from './recording.ts';
import type { OnceOptions, PublishOptions } from './handler-api.ts';
import type { Handler } from './router/subscription.ts';
import { sinkFigures, startSinks } from './sinking.ts';
import type { Store } from './store/port.ts';
import { flushStore, shutDown, untilSettled } from './shutdown.ts';
import { createRouter } from './wiring.ts';
import { describeError, type Health } from './observe/health.ts';

/**
 * Opens a bus. Throws `INVALID_OPTION`, and what the store throws when it cannot be opened.
 *
 * ```js
 * const bus = await createBus({ source: 'planner', store: jsonFile('./events') })
 * ```
 */
export async function createBus<const D extends EventDeclarations>(
  options: BusOptions<D> & { readonly events: D },
): Promise<Api.Bus<PayloadsOf<D>>>;
export async function createBus(options?: BusOptions): Promise<Api.Bus>;
export async function createBus(options?: BusOptions): Promise<Api.Bus> {
  const parsed = parseBusOptions(options);
  // First, because a wrong declaration must not leave the store open behind it.
  const core = new Core(parsed, createRouter);
  if (parsed.store) await openFor(parsed.source, parsed.store, parsed.clock);
  startSinks(core);
  return buildBus(core) as unknown as Api.Bus;
}

/** Which bus a store belongs to: the first one to close would close it for the other. */
const owners = new WeakMap<Store, string>();

async function openFor(source: string, store: Store, clock: Clock): Promise<void> {
  const owner = owners.get(store);
  if (owner !== undefined) {
    throw new TelltaleError(
      'STORE_LOCKED',
      `store ${store.name} already belongs to bus \`${owner}\`; open one of its own for \`${source}\``,
    );
  }
  owners.set(store, source);
  try {
    await store.open({ clock });
  } catch (error) {
    owners.delete(store);
    throw error;
  }
}

async function closeBus(core: Core, pipelines: ReadonlyMap<string, RunningPipeline>): Promise<Api.CloseReport> {
  try {
    return await shutDown(core, pipelines.values());
  } finally {
    if (core.options.store) owners.delete(core.options.store);
  }
}

function buildBus(core: Core): object {
  const { options } = core;
  const pipelines = new Map<string, RunningPipeline>();
  let closing: Promise<Api.CloseReport> | undefined;

  const mustNotBeInside = (verb: string): void => {
    if (!core.isInside(currentCause())) return;
    const text = `\`${verb}\` called inside a handler would wait for that handler; call it after the handler has returned, for example in setImmediate`;
    throw new TelltaleError('WOULD_DEADLOCK', text);
  };
  const close = async (): Promise<Api.CloseReport> => {
    mustNotBeInside('close');
    if (currentCause()?.sinkOf === core)
      throw new TelltaleError('WOULD_DEADLOCK', '`close` called inside a sink would wait for that sink');
    closing ??= runWithoutCause(() => closeBus(core, pipelines));
    return closing;
  };
  const bus: object = {
    source: options.source,
    schemas: createSchemas(core),
    deadLetters: createDeadLetters(core),
    ...createReading(core),
    ...createActing(core),
    replay: createReplaying(core, (into) => into === bus),
    fold: createFolding(core),
    retention: createRetention(core),
    ...createConsuming(core),
    ...createAsking(core),
    ...createScheduling(core),

    emit: (type: string, payload: unknown, given?: PublishOptions) => core.emit(currentCause(), type, payload, given),
    publish: (type: string, payload: unknown, given?: PublishOptions) =>
      core.publish(currentCause(), type, payload, given),
    batch: (given?: { readonly id?: string }) => startBatch(core, given),

    on: (pattern: string, handler: Handler, given?: object) => {
      mustBeFunction('handler', handler);
      core.mustAccept(currentCause());
      return asUndo(listen(core, parseSubscribe(pattern, given, options.mailbox), handler).undo);
    },
    once: (pattern: string, given?: OnceOptions) => waitOnce(core, pattern, given),
    observe: (pattern: string, given?: Api.ObserveOptions) => observeEvents(core, pattern, given),
    iterate: (pattern: string, given?: Api.IterateOptions) => iterateEvents(core, pattern, given),
    pipeline: (name: string, pattern: string, build: never) => {
      mustBeFunction('build', build);
      if (pipelines.has(name))
        throw new TelltaleError('INVALID_OPTION', `a pipeline \`${name}\` already runs on this bus`);
      const pipeline = addPipeline(core, name, pattern, build);
      pipelines.set(name, pipeline);
      return asUndo(() => {
        if (pipelines.get(name) === pipeline) pipelines.delete(name);
        pipeline.stop();
      });
    },

    withContext: <Result>(given: Api.ContextInfo, fn: () => Result): Result => {
      mustBeFunction('fn', fn);
      return runWithCause(deriveCause(currentCause(), given), fn, undefined);
    },
    context: () => describeContext(currentCause()),
    bind: <Fn extends (...args: never[]) => unknown>(fn: Fn): Fn => {
      mustBeFunction('fn', fn);
      return AsyncResource.bind(fn as never);
    },
    record: (name: string, details: unknown, fn: () => unknown) => recordRun(core, name, details, fn),

    flush: async () => {
      mustNotBeInside('flush');
      const { writer } = core;
      // After a clean close the writer has stopped, and nothing is unstored.
      if (writer?.state === 'stopped' && writer.lost + writer.backlog.events === 0) return;
      await flushStore(core);
    },
    settled: async (given: { readonly timeout?: Duration } = {}) => {
      mustNotBeInside('settled');
      const timeoutMs = parseSettled(given);
      if (await untilSettled(core, timeoutMs)) return;
      throw new TelltaleError('TIMEOUT', `handlers still run after ${timeoutMs} ms: ${busyPatterns(core)}`);
    },
    health: () => health(core, closing !== undefined),
    metrics: () =>
      core.counters.snapshot({
        ingress: core.dispatcher.queued,
        backlog: core.writer?.backlog ?? { events: 0, bytes: 0 },
        cache: core.cache?.figures ?? { entries: 0, bytes: 0, hits: 0, misses: 0 },
        subscriptions: [...core.router.subscriptions].map((subscription) => subscription.figures()),
        removed: core.router.removed,
        consumers: consumerFigures(core),
        sinks: sinkFigures(core),
        deadLetters: core.letters.opened,
        asks: asksOf(core).figures,
        ...actorFigures(core),
      }),
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  };
  registerBus(bus, core);
  return bus;
}

function health(core: Core, closed: boolean): Health {
  const { store } = core.options;
  const { notices: own, isDegraded } = core.life;
  const backlog = core.writer?.backlog ?? { events: 0, bytes: 0 };
  if (!store)
    return { status: closed ? 'closed' : isDegraded ? 'degraded' : 'ok', durability: 'none', backlog, notices: own };
  const { durability, diskFreeBytes, connections, notices, ...its } = store.health();
  const { lastError = core.writer?.lastError } = its;
  const failed = core.writer?.state === 'stopped' || its.status === 'failed';
  const degraded = isDegraded || core.writer?.state === 'retrying';
  return {
    status: closed ? 'closed' : failed ? 'failed' : degraded ? 'degraded' : 'ok',
    store: store.name,
    durability,
    ...(store.supports.readOnly && { readOnly: true as const }),
    backlog,
    notices: [...notices, ...own],
    ...(lastError && { lastError: describeError(lastError) }),
    ...(diskFreeBytes !== undefined && { diskFreeBytes }),
    ...(connections && { connections }),
  };
}

function busyPatterns(core: Core): string {
  const busy = [...core.router.subscriptions]
    .filter(({ load }) => load > 0)
    .map(({ options, load }) => `\`${options.pattern}\` (${load})`);
  for (const { name, load } of core.life.working) if (load > 0) busy.push(`${name} (${load})`);
  return busy.join(', ') || 'none, but events wait to be stored or dispatched';
}

function asUndo(undo: () => void): Api.Undo {
  return Object.assign(() => undo(), { [Symbol.dispose]: undo });
}

function mustBeFunction(name: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw new TelltaleError('INVALID_OPTION', `expected \`${name}\` to be a function, got ${typeof value}`);
}
