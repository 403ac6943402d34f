import { expected, TelltaleError } from '../errors.ts';
import type { CheckpointTarget, RetryAnswer, SkippedEvent, TargetCheckpoint } from './target.ts';

/** What a target has found of a checkpoint. */
export type Known = Pick<TargetCheckpoint, 'position' | 'eventId'>;

type Run<Tx> = (tx: Tx) => unknown;

/** Claims a checkpoint of a target. Rejects with `TARGET_BROKEN` where what it answers is no position. */
export async function claimOf(target: CheckpointTarget, checkpoint: TargetCheckpoint): Promise<Known> {
  const answer: unknown = await target.claim(checkpoint);
  const known = typeof answer === 'number' ? { position: answer } : (answer as Known | null | undefined);
  if (Number.isSafeInteger(known?.position) && known!.position >= 0) return known!;
  const thing = `what \`claim\` of the target answers for checkpoint \`${checkpoint.key}\``;
  throw expected('TARGET_BROKEN', thing, 'a position, an integer from 0', answer);
}

/**
 * Commits to a target. Rejects with what `run` or the target fails of, and with `TARGET_BROKEN` where the target says
 * that it has committed what was not run, has not ended, or has failed: that is in nobody's state and never comes again.
 */
export async function commitTo<Tx>(
  target: CheckpointTarget<Tx>,
  checkpoints: readonly TargetCheckpoint[],
  run: Run<Tx>,
): Promise<void> {
  await trusted('commit', (watched) => target.commit(checkpoints, watched), run);
}

/** The same for an event whose dead letter is tried again; answers whether its turn is still to come. */
export async function retryIn<Tx>(target: CheckpointTarget<Tx>, event: SkippedEvent, run: Run<Tx>): Promise<boolean> {
  return (await trusted('retry', (watched) => target.retry(event, watched), run)) === 'ahead';
}

async function trusted<Tx>(
  verb: 'commit' | 'retry',
  ask: (run: Run<Tx>) => Promise<RetryAnswer>,
  run: Run<Tx>,
): Promise<RetryAnswer> {
  const outcome: { status: keyof typeof WHAT | 'done'; cause?: unknown } = { status: 'not run' };
  const answer = await ask(async (tx) => {
    outcome.status = 'running';
    try {
      await run(tx);
      outcome.status = 'done';
    } catch (error) {
      outcome.status = 'failed';
      throw (outcome.cause = error);
    }
  });
  const { status, cause } = outcome;
  if (status === 'done') return undefined;
  if (status === 'not run' && (answer === 'known' || (answer === 'ahead' && verb === 'retry'))) return answer;
  const text = `\`${verb}\` of the target resolved though what it was given to run ${WHAT[status]}`;
  throw new TelltaleError('TARGET_BROKEN', text, { ...(cause !== undefined && { cause }) });
}

const WHAT = { 'not run': 'was not run', running: 'has not ended', failed: 'failed' };
