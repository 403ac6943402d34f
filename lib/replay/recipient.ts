import type { Clock } from '../clock.ts';
import type { Retelling } from '../context.ts';
import type { StoredEvent } from '../event/event.ts';
import type { ContextPort } from '../invoke/handler-context.ts';
import type { ParsedReplay } from './options.ts';

/** Where a replay tells its events. None of it throws; what goes wrong is told the desk. */
export interface Recipient {
  /** Tells one event; answers a promise where the next one must wait for it. */
  tell(event: StoredEvent): Promise<void> | undefined;
  /** Nothing more is told: what waits is dropped; resolves when what runs has ended. */
  stop(): Promise<void> | undefined;
  /** Resolves when everything told has ended. */
  rest(): Promise<void> | undefined;
  /** How much of what was told has not ended. */
  running(): number;
  /** The replay is over; the error is what stopped it. */
  finish?(error?: unknown): void;
}

/** What every recipient is given. */
export interface RecipientParts {
  readonly parsed: ParsedReplay;
  readonly clock: Clock;
  /** Aborted when the replay is cancelled. */
  readonly signal: AbortSignal;
  /** Whose effects these are, where nobody else has carried them out. */
  readonly recipient: string;
  readonly context: ContextPort;
  readonly retelling: Retelling;
  /** Whose handlers these are. */
  readonly owner: object;
  readonly desk: Desk;
}

/** Where recipients say what became of the events. */
export interface Desk {
  delivered(): void;
  failed(event: StoredEvent, error: unknown, attempts: number): void;
  skipped(): void;
  /** The recipient takes nothing any more. */
  stop(error: unknown): void;
}
