import type { Core } from './core.ts';
import { expected } from './errors.ts';
import { listen } from './listening.ts';
import { parseSubscribe } from './options.ts';
import { Pipeline, type PipelineBuild } from './router/pipeline.ts';

export interface RunningPipeline {
  /** Lets it give out what it holds, then ends it. */
  complete(): void;
  stop(): void;
}

/** Starts a pipeline on a bus. Throws `INVALID_PATTERN`, `INVALID_OPTION`, and what `build` throws. */
export function addPipeline(core: Core, name: string, pattern: string, build: PipelineBuild): RunningPipeline {
  if (typeof name !== 'string' || name === '')
    throw expected('INVALID_OPTION', 'the name of a pipeline', 'a non-empty string', name);
  const parsed = parseSubscribe(pattern, undefined, core.options.mailbox);
  const pipeline = new Pipeline(build, {
    clock: core.options.clock,
    emit: (cause, { type, payload, options }, causes) => {
      const given = causes
        ? { ...options, metadata: { ...(options as { metadata?: object })?.metadata, causes } }
        : options;
      core.emit(cause, type, payload, given);
    },
    failed: (error) => core.reports.say('$bus.pipeline.failed', name, { name, pattern, message: String(error) }),
    causeless: () => void core.counters.causelessOutputs++,
  });
  const undo = listen(core, parsed, (event) => pipeline.receive(event));
  const complete = (): void => {
    undo();
    pipeline.complete();
  };
  return { complete, stop: complete };
}
