import type { Envelope } from '../event/envelope.ts';
import type { Handed } from '../invoke/link-end.ts';

/** One event for the workers of a pool, until one of them has dealt with it. */
export interface Delivery {
  readonly hearing: Heard;
  readonly envelope: Envelope;
  /** Events of one key are with one worker at a time. */
  readonly key: string | undefined;
  /** Workers that died while they had it. */
  deaths: number;
  readonly handed: Handed;
}

/** What an event is delivered for. */
export interface Heard {
  /** What the worker calls it; undefined while it is not there for it. */
  idIn(slot: object): number | undefined;
  release(delivery: Delivery): void;
}
