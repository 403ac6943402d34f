import type { TelltaleEvent } from '../event/event.ts';

/** What a pipeline yields: an event to be emitted. */
export interface PipelineOutput {
  readonly type: string;
  readonly payload: unknown;
  readonly options?: object;
}

const CAUSES = Symbol.for('telltale.causes');

/** A pipeline's output that knows what it comes from. */
export interface CausedOutput<Type extends string = string, Payload = unknown> extends PipelineOutput {
  readonly type: Type;
  readonly payload: Payload;
  readonly [CAUSES]: readonly TelltaleEvent[];
}

/**
 * Says what a pipeline's output comes from: one event, or several, which are then named in `metadata.causes` and hand
 * on their correlation only if all have the same.
 */
export function caused<Type extends string, Payload>(
  cause: TelltaleEvent | readonly TelltaleEvent[],
  output: { readonly type: Type; readonly payload: Payload; readonly options?: object },
): CausedOutput<Type, Payload> {
  return { ...output, [CAUSES]: Array.isArray(cause) ? (cause as readonly TelltaleEvent[]) : [cause as TelltaleEvent] };
}

export function causesOf(output: PipelineOutput): readonly TelltaleEvent[] | undefined {
  const causes = (output as Partial<CausedOutput>)[CAUSES];
  return causes && causes.length > 0 ? causes : undefined;
}
