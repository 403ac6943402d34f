/** How far one partition of a consumer has come, as a target keeps it. */
export interface TargetCheckpoint {
  /** The consumer's name, with `#` and the partition's number behind it in a group. */
  readonly key: string;
  readonly position: number;
  /** Rises with every change of holder. */
  readonly epoch: number;
}

/**
 * Where a projection keeps its checkpoint beside its state, so that both change together: exactly once for that
 * projection. A file, a table; about 40 lines.
 */
export interface CheckpointTarget<Tx = unknown> {
  /** What was committed last under a key; undefined before the first. */
  load(key: string): Promise<Omit<TargetCheckpoint, 'key'> | undefined>;
  /**
   * Runs `run` with a transaction and commits what it wrote together with the checkpoints, all or nothing. Must refuse
   * with `staleCheckpoint(…)` where one of the keys has a higher epoch by then: its partition has another holder.
   */
  commit(checkpoints: readonly TargetCheckpoint[], run: (tx: Tx) => unknown): Promise<void>;
}
