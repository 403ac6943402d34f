import type { Pattern } from '../event/pattern.ts';

/** Does `wide` match every type that `narrow` matches? May say no where only an odd length of types makes it true. */
export function covers(wide: Pattern, narrow: Pattern): boolean {
  const [a, b] = [wide.segments, narrow.segments];
  // A wildcard never stands for the first segment of a reserved type, a name does.
  if (b[0]!.startsWith('$') && a[0] !== b[0]) return false;
  // reaches[j]: the first i segments of `wide` cover the first j of `narrow`.
  let reaches = b.reduce<boolean[]>((row) => [...row, false], [true]);
  for (const segment of a) {
    const next = reaches.map(() => false);
    if (segment === '**') next[0] = reaches[0]!;
    b.forEach((other, j) => {
      if (segment === '**') next[j + 1] = reaches[j + 1]! || next[j]!;
      else next[j + 1] = reaches[j]! && other !== '**' && (segment === '*' || segment === other);
    });
    reaches = next;
  }
  return reaches[b.length]!;
}
