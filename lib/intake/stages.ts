import { TelltaleError, expected, messageOf } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { letGo } from '../invoke/invoke.ts';

/** Looks at every event before it is accepted: answers it, a changed copy, or null to drop it. Synchronous. */
export type AdmitStage = (event: TelltaleEvent) => TelltaleEvent | null;

export interface NamedStage {
  readonly name: string;
  readonly stage: AdmitStage;
}

/** The event as the stages leave it, or the name of the stage that dropped it. Throws `STAGE_FAILED`. */
export function runStages(stages: readonly NamedStage[], event: TelltaleEvent): TelltaleEvent | string {
  let current = event;
  for (const { name, stage } of stages) {
    const next = callStage(name, stage, current);
    if (next === null) return name;
    current = next;
  }
  return current;
}

function callStage(name: string, stage: AdmitStage, event: TelltaleEvent): TelltaleEvent | null {
  let answer: unknown;
  try {
    answer = stage(event);
  } catch (cause) {
    const text = `admit stage \`${name}\` threw on \`${event.type}\`: ${messageOf(cause)}`;
    throw new TelltaleError('STAGE_FAILED', text, { cause, details: { stage: name, type: event.type } });
  }
  if (answer === null) return null;
  if (typeof answer !== 'object' || (answer as TelltaleEvent).id !== event.id) {
    letGo(answer);
    throw expected(
      'STAGE_FAILED',
      `the answer of admit stage \`${name}\``,
      'the event, a copy with the same id, or null',
      answer,
    );
  }
  return answer as TelltaleEvent;
}
