import type { Durability, Head } from './port.ts';
import type { PreparedAppends } from './check-events.ts';
import { decideCommit } from './decide-commit.ts';
import type { Decision } from './decide-commit.ts';
import { gatherFacts } from './gather-facts.ts';
import type { LookUps } from './gather-facts.ts';

/** Where and when a group commit is decided. */
export interface DecidedAt {
  readonly head: Head;
  readonly now: number;
  readonly durability: Durability;
}

/** Looks up what a group commit needs to know about the log, and decides it. Nobody else may write until it is written. */
export async function decide(
  { appends, refused }: PreparedAppends,
  at: DecidedAt,
  lookUps: LookUps,
): Promise<Decision> {
  const { known, revisions, conditions } = await gatherFacts(appends, at.head, lookUps);
  return decideCommit(appends, { ...at, refused, known, revisions, conditions });
}

/** The same appends, none of which is taken for new: an id may turn out to be stored already. */
export function lookingUp({ appends, refused }: PreparedAppends): PreparedAppends {
  const again = appends.map((append) => (append.fresh ? { ...append, fresh: false } : append));
  const errors = new Map(
    appends.flatMap((append, i) => {
      const error = refused.get(append);
      return error === undefined ? [] : [[again[i]!, error] as const];
    }),
  );
  return { appends: again, refused: errors };
}
