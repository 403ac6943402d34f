import type { FileFacts, Flag } from './events.ts';

/** What a file may have before it is flagged. */
export const LIMITS = { lines: 400, functionLines: 60, todos: 5 } as const;

/** One flag for every limit the file is over. */
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
