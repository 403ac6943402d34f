import type { Bus, TelltaleEvent } from 'telltale';
import type { TeamEvents } from './events.ts';
import type { FileFacts } from './parse.ts';
import type { Flag } from './report.ts';

/** What a file may have before it is flagged. */
export const LIMITS = { lines: 400, functionLines: 60, todos: 5 } as const;

/** Flags every parsed file that is over a limit. */
export function startReviewer(bus: Bus): void {
  bus.on('file.parsed', (event, context) => {
    for (const flag of review(event.payload as TeamEvents['file.parsed']))
      context.emit('file.flagged', flag, { source: 'reviewer', ...entity(event) });
  });
}

/** For files that were parsed just before an earlier run ended, too late to be reviewed. */
export function reviewLate(bus: Bus, event: TelltaleEvent): void {
  const { correlationId, id: causationId } = event;
  for (const flag of review(event.payload as TeamEvents['file.parsed']))
    bus.emit('file.flagged', flag, { source: 'reviewer', correlationId, causationId, ...entity(event) });
}

export function review({ path, facts }: { readonly path: string; readonly facts: FileFacts }): readonly Flag[] {
  const { lines, longest, todos } = facts;
  const flags: Flag[] = [
    { path, rule: 'lines', value: lines, limit: LIMITS.lines },
    { path, rule: 'todos', value: todos, limit: LIMITS.todos },
  ];
  if (longest)
    flags.push({
      path,
      rule: 'function-lines',
      value: longest.lines,
      limit: LIMITS.functionLines,
      where: `${longest.name}, line ${longest.at}`,
    });
  return flags.filter(({ value, limit }) => value > limit);
}

function entity(event: TelltaleEvent): { entity?: string } {
  return event.entity === undefined ? {} : { entity: event.entity };
}
