import type { Clock } from '../clock.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import type { Place } from '../event/place.ts';
import type { Filter } from '../filter/language.ts';
import type { ContextPort, HandlerContext } from '../invoke/handler-context.ts';
import type { Failure } from '../invoke/invoke.ts';
import type { Turn } from '../mailbox/turn.ts';
import type { RetryPolicy } from '../retry.ts';
import type { Store } from '../store/port.ts';
import type { RetryReadOptions } from '../store/read/retry-read.ts';
import type { CheckpointTarget } from './target.ts';

/** What happens to an event whose handler has failed for good. */
export type OnFailure = 'pause' | 'skip-event' | 'skip-key';

/** Given one event, or with `batch` an array. */
export type ConsumerHandler = (given: StoredEvent | readonly StoredEvent[], context: HandlerContext) => unknown;

/** A consumer as it was asked for, checked. */
export interface ConsumerTerms {
  readonly name: string;
  readonly pattern: string;
  readonly where: Filter | undefined;
  /** Where it begins without a checkpoint. */
  readonly from: Place;
  readonly handler: ConsumerHandler;
  readonly key: ((event: TelltaleEvent) => unknown) | undefined;
  /** How the key is told from another: its path, or `(function)`. */
  readonly keyText: string | undefined;
  readonly concurrency: number;
  readonly group: boolean;
  readonly retry: RetryPolicy | undefined;
  readonly onFailure: OnFailure;
  readonly batch: { readonly max: number; readonly waitMs: number } | undefined;
  readonly target: CheckpointTarget | undefined;
  readonly onReset: ((tx: unknown) => unknown) | undefined;
}

/** What a consumer is given of the bus. None of the functions may throw. */
export interface ConsumerPort {
  readonly store: Store;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly context: ContextPort;
  /** How long running handlers are waited for when it stops. */
  readonly closeTimeoutMs: number;
  /** A stored event as its handler sees it, and as the cause of what follows from it. */
  envelopeOf(event: StoredEvent): Envelope;
  /** What was accepted so far is in the log, or never will be. */
  written(): Promise<unknown>;
  /** A handler has failed for good, whatever happens then. */
  failed(envelope: Envelope, failure: Failure): void;
  /** The event is left out: it becomes a dead letter. Answers whether that is in the log, when its write has ended. */
  gaveUp(envelope: Envelope, failure: Failure): Promise<boolean>;
  /** Its key waits for it: it becomes a dead letter unless it is one since an earlier start, or is not `wanted` by then. */
  heldBack(envelope: Envelope, failure: Failure, wanted: () => boolean): Promise<void>;
  readonly unavailable: RetryReadOptions['unavailable'];
  /** It has paused by itself, ended, or goes on. */
  changed(): void;
  /** It may have come to rest. */
  eased(): void;
}

export type ConsumerStatus = 'starting' | 'running' | 'paused' | 'stopping' | 'stopped' | 'failed';

/** How far behind the log. */
export interface ConsumerLag {
  /** Positions of the log beyond the checkpoint, whoever they are for. */
  readonly events: number;
  /** How long ago the oldest event was stored that is not done with; 0 where none is. */
  readonly ms: number;
}

/** Events since the consumer was started here: taken = handled + skipped + running + queued + returned. */
export interface ConsumerBooks {
  /** Read for its handler. */
  readonly taken: number;
  readonly handled: number;
  /** Dead letters now. */
  readonly skipped: number;
  readonly running: number;
  /** Waiting for their turn, or behind an event that failed. */
  readonly queued: number;
  /** Given back to the log, to be read again: by another member, after a rewinding, or at the next start. */
  readonly returned: number;
}

/** One consumer of this bus. */
export interface ConsumerFigures extends ConsumerBooks {
  readonly name: string;
  readonly pattern: string;
  readonly status: ConsumerStatus;
  readonly position: number;
  readonly lag: ConsumerLag;
}
