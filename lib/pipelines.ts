import type { Core } from './core.ts';
import { expected } from './errors.ts';
import { listen } from './listening.ts';
import { parseSubscribe } from './options.ts';
import { Pipeline, type PipelineBuild } from './router/pipeline.ts';

export interface RunningPipeline {
  /** Lets it give out what it holds; `ended` resolves when it has. */
  complete(): void;
  readonly ended: Promise<void>;
  /** Ends it now; what its operators can give out at once is given out. */
  stop(): void;
}

/** Starts a pipeline on a bus. Throws `INVALID_PATTERN`, `INVALID_OPTION`, and what `build` throws. */
export function addPipeline(core: Core, name: string, pattern: string, build: PipelineBuild): RunningPipeline {
  if (typeof name !== 'string' || name === '')
    throw expected('INVALID_OPTION', 'the name of a pipeline', 'a non-empty string', name);
  core.mustAccept(undefined);
  const parsed = parseSubscribe(pattern, undefined, core.options.mailbox);
  const part = { owner: {}, key: name, thing: `pipeline \`${name}\``, about: { name, pattern } };
  const pipeline = new Pipeline(build, {
    clock: core.options.clock,
    owner: core,
    emit: (cause, { type, payload, options }, causes) => {
      const given = causes
        ? { ...options, metadata: { ...(options as { metadata?: object })?.metadata, causes } }
        : options;
      core.emit(cause, type, payload, given, { inside: true });
    },
    failed: (error, told) => core.reports.failed('$bus.pipeline.failed', part, error, { warn: !told }),
    causeless: () => void core.counters.causelessOutputs++,
  });
  const { undo } = listen(core, parsed, (event) => pipeline.receive(event));
  return {
    ended: pipeline.ended,
    complete() {
      undo();
      pipeline.complete();
    },
    stop() {
      undo();
      pipeline.stop();
    },
  };
}
