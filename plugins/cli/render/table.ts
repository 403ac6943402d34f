import { cut, pad, paint, widthOf } from './text.ts';
import type { Look } from './text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** The column that gives way where the line is too long. */
  readonly shrink?: 'start' | 'end';
}

const GAP = 2;

/** Rows under titles, within the width of the look; the column with `shrink` is cut where needed. */
export function table(look: Look, columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  const total = widths.reduce((sum, width) => sum + width + GAP, -GAP) + GAP;
  const shrinking = columns.findIndex(({ shrink }) => shrink !== undefined);
  if (shrinking >= 0 && total > look.width) widths[shrinking] = Math.max(8, widths[shrinking]! - (total - look.width));
  const line = (cells: readonly string[]): string =>
    `  ${columns
      .map(({ align, shrink }, index) => {
        const text = cut(cells[index] ?? '', widths[index]!, shrink === 'start' ? 'end' : 'start');
        return pad(text, widths[index]!, align === 'right' ? 'right' : 'left');
      })
      .join(' '.repeat(GAP))}`.trimEnd();
  return [paint(look, 'dim', line(columns.map(({ title }) => title))), ...rows.map(line)];
}

/** One bar a row: `  span.client  744  ██████████`. The longest fills what the line has left. */
export function bars(look: Look, rows: readonly (readonly [label: string, value: number, text: string])[]): string[] {
  const label = Math.min(Math.max(0, ...rows.map(([name]) => widthOf(name))), Math.floor(look.width / 2));
  const number = Math.max(0, ...rows.map(([, , text]) => text.length));
  const room = Math.max(5, Math.min(40, look.width - label - number - 3 * GAP));
  const most = Math.max(1, ...rows.map(([, value]) => value));
  return rows.map(([name, value, text]) => {
    const bar = '█'.repeat(Math.max(value > 0 ? 1 : 0, Math.round((value / most) * room)));
    return `  ${pad(cut(name, label), label)}  ${pad(text, number, 'right')}  ${paint(look, 'cyan', bar)}`.trimEnd();
  });
}
