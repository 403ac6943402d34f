import { addEnded, NONE_ENDED, type EndedCounts, type MailboxFigures } from '../mailbox/counts.ts';

/** The books of one actor, all instances; what is stashed counts as queued. */
export interface ActorFigures extends MailboxFigures {
  /** A child has the place of its parent before its name: `team/main/worker`. */
  readonly name: string;
  readonly instances: number;
  readonly restarts: number;
}

/** One instance of an actor. */
export interface InstanceInfo {
  /** `main` for an actor without keys. */
  readonly key: string;
  readonly status: InstanceStatus;
  /** Events that wait for it, stashed ones too. */
  readonly queued: number;
  /** Within the time that counts, see `supervise.within`. */
  readonly restarts: number;
}

/** `restarting`: it waits for its restart or is being rebuilt. `stopped`: it failed too often, or cannot be rebuilt. */
export type InstanceStatus = 'starting' | 'idle' | 'running' | 'restarting' | 'stopped';

/** The books of all actors that have ended: routed = handled + failed + dropped + cancelled. */
export interface ActorsGone extends EndedCounts {
  readonly actors: number;
  readonly restarts: number;
}

export const NONE_GONE: ActorsGone = { actors: 0, ...NONE_ENDED, restarts: 0 };

/** Adds the last figures of one more; what it still handled has had its letter. */
export const addGone = (sum: ActorsGone, last: ActorFigures): ActorsGone => ({
  actors: sum.actors + 1,
  ...addEnded(sum, { ...last, failed: last.failed + last.running }),
  restarts: sum.restarts + last.restarts,
});
