import type { Audit, Kills } from '../../../examples/team/index.ts';
import { counted, integer } from './figures.ts';
import { clean, paint } from './text.ts';
import type { Look } from './text.ts';

export interface ChaosFacts {
  readonly seed: number;
  readonly audit: Audit;
  readonly kills: Kills;
}

export interface ChaosVerdict {
  readonly lines: readonly string[];
  readonly holds: boolean;
}

const LISTED = 5;

/** What the demo says of the readers it has killed, and whether all is as if they had lived. */
export function chaosVerdict(look: Look, { seed, audit, kills }: ChaosFacts): ChaosVerdict {
  const { files, lost, twice, identical } = audit;
  const { terminated, exited, threw } = kills;
  const killed = terminated + exited + threw;
  const ways = `${integer(terminated)} terminated, ${integer(exited)} by process.exit, ${integer(threw)} by an error that nobody caught`;
  const head = ['', `chaos (--seed ${seed}): ${counted(killed, 'reader')} killed while they read`];
  if (killed === 0) return { lines: [...head, '  there was too little to read: nothing is proven'], holds: false };
  const holds = identical && lost.length + twice.length === 0;
  const verdict = holds
    ? [paint(look, 'green', `${integer(files)} files found, ${integer(files)} read or refused: none lost, none twice`)]
    : [
        ...list('lost', lost),
        ...list('counted twice', twice),
        ...(identical ? [] : ['the report is not that of the log']),
      ];
  const lines = holds ? verdict : verdict.map((line) => paint(look, 'red', line));
  return { lines: [...head, ...[ways, ...lines].map((line) => `  ${line}`)], holds };
}

function list(what: string, paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const shown = paths.slice(0, LISTED).map(clean).join(', ');
  return [`${counted(paths.length, 'file')} ${what}: ${shown}${paths.length > LISTED ? ' …' : ''}`];
}
