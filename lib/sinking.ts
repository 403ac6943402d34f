import { runWithCause, runWithoutCause, sinkCause } from './context.ts';
import type { Core } from './core.ts';
import { isStore, type ParsedSink } from './delivery/sink-options.ts';
import { SinkRunner } from './delivery/sink-runner.ts';
import { storeSink } from './delivery/store-sink.ts';
import { messageOf } from './errors.ts';
import type { StoredEvent } from './event/event.ts';
import { toEnvelope } from './following.ts';
import type { Sink, Store } from './store/port.ts';
import type { SinkFigures } from './store/sink-figures.ts';

interface Running {
  readonly runner: SinkRunner;
  figures(): SinkFigures;
}

const running = new WeakMap<Core, readonly Running[]>();

/** Starts the sinks of a bus whose store is open. Whatever they do, nobody waits for them but `close`. */
export function startSinks(core: Core): void {
  const { sinks, store, closeTimeoutMs } = core.options;
  if (!store || sinks.length === 0) return;
  const all = runWithoutCause(() => sinks.map((terms) => startSink(core, store, terms)));
  running.set(core, all);
  core.life.notice(() => all.flatMap((one) => noticeOf(one.figures())));
  core.life.onStored(async () => {
    // Less than the bus waits for them, so that a sink that hangs does not make its closing fail.
    await Promise.all(all.map(({ runner }) => runner.end(closeTimeoutMs * 0.9)));
    for (const one of all) warnOfRest(one.figures());
  });
}

export function sinkFigures(core: Core): readonly SinkFigures[] {
  return (running.get(core) ?? []).map((one) => one.figures());
}

function startSink(core: Core, store: Store, terms: ParsedSink): Running {
  const { name } = terms;
  let refused = 0;
  const refuse = (event: StoredEvent, error: unknown): void => {
    refused++;
    core.letters.open(toEnvelope(core, event, false), { reason: 'handler-failed', error, recipient: `sink/${name}` });
  };
  const sink = isStore(terms.sink) ? storeSink(terms.sink, refuse) : guarded(core, terms.sink);
  const part = { owner: terms, key: name, thing: `sink \`${name}\``, about: { name } };
  const runner = new SinkRunner(
    {
      store,
      clock: core.options.clock,
      sink,
      failed: (error) => runWithoutCause(() => core.reports.failed('$bus.sink.failed', part, error)),
      missed: (positions) => core.reports.say('$bus.sink.missed', name, { name, positions }),
      unavailable: core.unavailableTo(`sink ${name}`),
      unclosed: (error) => warn('SINK_NOT_CLOSED', `sink \`${name}\` did not close: ${messageOf(error)}`),
    },
    terms,
  );
  return { runner, figures: () => runner.figures(refused) };
}

/** What a sink of one's own throws at once is a rejection like any other; one that closes its bus would wait for itself. */
function guarded(core: Core, sink: Sink): Sink {
  const inside = <Result>(work: () => Result): Result => runWithCause(sinkCause(core), work, undefined);
  return {
    name: sink.name,
    open: async (environment) => inside(() => sink.open(environment)),
    write: async (events) => inside(() => sink.write(events)),
    close: async () => inside(() => sink.close()),
  };
}

function noticeOf({ name, status, lag, lastError }: SinkFigures): readonly string[] {
  if (status !== 'failing' && status !== 'failed') return [];
  const then = status === 'failing' ? 'is tried again' : 'is left alone until the next start';
  return [`sink ${name} is ${lag.events} positions behind and ${then}: ${lastError?.message ?? 'no answer'}`];
}

function warnOfRest({ name, lag, position }: SinkFigures): void {
  if (lag.events === 0) return;
  const text = `sink \`${name}\` is ${lag.events} positions behind; at the next start it goes on behind position ${position}`;
  warn('SINK_BEHIND', text);
}

function warn(code: string, text: string): void {
  process.emitWarning(text, { type: 'TelltaleWarning', code });
}
