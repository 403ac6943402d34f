import { TelltaleError, expected } from '../errors.ts';

/** How far one partition of a consumer has come, as a target keeps it. */
export interface TargetCheckpoint {
  /** The consumer's name; in a group with `#` and the number of the partition behind it. */
  readonly key: string;
  readonly position: number;
  /** Rises with every change of holder. */
  readonly epoch: number;
  /** Of the event at `position`, by which its log is known again; absent where none was handled there. */
  readonly eventId?: string;
  /** The event at `position` was passed over and has a dead letter: that is kept, too, until `retry`. */
  readonly isSkipped?: true;
}

/** An event whose dead letter is tried again. */
export interface SkippedEvent {
  /** Of the checkpoint that passes it. */
  readonly key: string;
  readonly position: number;
}

/** `'known'`: all of it is committed already, and nothing was run again. */
export type CommitAnswer = void | 'known';

/** `'ahead'`: the checkpoint has not come to the event, whose turn is still to come; nothing was run. */
export type RetryAnswer = CommitAnswer | 'ahead';

/**
 * Where a projection keeps its checkpoint beside its state, so that both change together: exactly once for that
 * projection. A file, two tables; about 50 lines. It keeps which events were skipped, and none above the position of
 * their checkpoint: whoever writes a lower one, or the first one, deletes those above it, before anything else where
 * transactions run side by side.
 */
export interface CheckpointTarget<Tx = unknown> {
  /**
   * A new holder takes a checkpoint over: keeps its epoch and answers the position it finds there, in one step, so that
   * the holder before can commit no more. Where there is none it keeps and answers the one it is given. Looks at it with
   * `mustBeNewest` first. With the position it answers the `eventId` it has kept, so that another log is told apart.
   */
  claim(checkpoint: TargetCheckpoint): Promise<number | Pick<TargetCheckpoint, 'position' | 'eventId'>>;
  /**
   * Runs `run` with a transaction, and commits what it wrote together with the checkpoints, all or nothing: rejects, with
   * nothing changed, with what `run` throws or rejects with. Looks at each checkpoint with `mustBeNewest` first. May begin
   * anew and run it again where nothing was committed. Rejects with `HANDLER_FAILED` for what only the commit tells and is
   * the handler's doing, such as a constraint; with anything else for what is nobody's.
   */
  commit(checkpoints: readonly TargetCheckpoint[], run: (tx: Tx) => unknown): Promise<CommitAnswer>;
  /**
   * Runs `run` as `commit` does, and deletes with that, all or nothing, that the event was skipped: so its
   * letters count once, however often they are tried. Where that is not known it runs nothing and answers `'known'` (the
   * checkpoint has come to the event: it was handled) or `'ahead'` (it has not, or is not there).
   */
  retry(event: SkippedEvent, run: (tx: Tx) => unknown): Promise<RetryAnswer>;
}

/** What a handler of a synchronous target may answer with: anything but a Promise. It is not looked at. */
export type SyncAnswer = void | undefined | null | string | number | boolean | bigint | { readonly then?: never };

/**
 * A target whose transactions hold up all others: a handler must be done when it returns, and one that answers with a
 * Promise is refused (`INVALID_OPTION`), its transaction rolled back.
 */
export interface SynchronousTarget<Tx = unknown> extends CheckpointTarget<Tx> {
  readonly synchronous: true;
}

/** What a handler threw, as it was thrown: told apart from what its target fails of. */
export class Thrown extends TelltaleError {
  constructor(cause: unknown) {
    super('ABORTED', 'thrown in a transaction', { cause });
  }
}

/** A call of `tx` when its transaction has gone without it. */
export function usedLate(): TelltaleError {
  return expected('INVALID_OPTION', '`tx`', 'used before its handler ends', 'a call after the transaction has ended');
}

/** Throws `LEASE_LOST` where what is known under the key is of a later holder. */
export function mustBeNewest(known: Pick<TargetCheckpoint, 'epoch'> | undefined, given: TargetCheckpoint): void {
  if (known === undefined || known.epoch <= given.epoch) return;
  const { key, epoch } = given;
  const text = `checkpoint \`${key}\` has another holder by now (epoch ${known.epoch}, got ${epoch}): nothing was written`;
  throw new TelltaleError('LEASE_LOST', text, { details: { key, expected: epoch, actual: known.epoch } });
}
