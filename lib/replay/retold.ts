import { NO_CHAIN, type Retelling } from '../context.ts';
import { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';

/** Only mailboxes ask, and a replay has few events in them. */
const BYTES = 256;

/** A stored event on its way to handlers once more, and the cause of what they emit. */
export class Retold extends Envelope {
  override readonly retelling: Retelling;

  constructor(event: StoredEvent, retelling: Retelling, owner: object) {
    super(event, BYTES, false, true, NO_CHAIN, owner);
    this.position = event.position;
    this.retelling = retelling;
  }

  /** What is accepted although it comes from a replay says so. */
  override get inherited(): Readonly<Record<string, unknown>> | undefined {
    if (this.retelling.capture !== undefined) return super.inherited;
    return { ...super.inherited, $replay: this.retelling.id };
  }
}

/** Makes one event safe to hand to several handlers: none changes it for another. Depth is bounded by admission. */
export function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFrozen(member);
  return value;
}
