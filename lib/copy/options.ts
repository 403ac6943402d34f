import { expected } from '../errors.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { checkSignal, mustKnow } from '../parse-options.ts';

/** The event as the copy shall have it; `null` leaves it out. Position, revision and `storedAt` stay as they are. */
export type CopyMap = (event: StoredEvent) => TelltaleEvent | null | Promise<TelltaleEvent | null>;

/** How far a copy is. */
export interface CopyProgress {
  /** Everything up to here is in the target. */
  readonly position: number;
  /** The source's head when the copy was called. */
  readonly through: number;
  /** Events copied by this call. */
  readonly events: number;
  /** Events that `map` left out in this call. */
  readonly leftOut: number;
}

export interface CopyOptions {
  /**
   * Changes an event, or leaves it out, which is then recorded as removed. Dead letters and other `$` events come too:
   * their payloads hold parts of other events.
   */
  readonly map?: CopyMap;
  /**
   * Nothing is kept of removed and left-out events but their positions, and no hash of what an event was before `map`
   * changed it: for an anonymised copy. A retry of such an event would be stored again, and the revisions of an entity
   * that is gone start again. What the source loses after it was copied leaves its id in the copy, as every removal does.
   * @default false
   */
  readonly forget?: boolean;
  /**
   * Whether checkpoints, snapshots and other documents are copied. Snapshots hold what `map` never sees.
   * @default true
   */
  readonly documents?: boolean;
  /** Called after each stretch of about a thousand events. */
  readonly progress?: (progress: CopyProgress) => void;
  /** Ends the copy with `ABORTED` behind the stretch under way; the same call goes on from there. */
  readonly signal?: AbortSignal;
}

const KNOWN = ['map', 'forget', 'documents', 'progress', 'signal'];

/** Throws `INVALID_OPTION`. */
export function checkOptions(options: CopyOptions): CopyOptions {
  mustKnow(options, KNOWN, 'copyStore');
  checkSignal(options.signal, 'copyStore');
  for (const name of ['map', 'progress'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'function')
      throw expected('INVALID_OPTION', `\`${name}\` of copyStore`, 'a function', options[name]);
  for (const name of ['forget', 'documents'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'boolean')
      throw expected('INVALID_OPTION', `\`${name}\` of copyStore`, 'true or false', options[name]);
  return options;
}
