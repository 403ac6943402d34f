import fc from 'fast-check';

/** Matching by the letter of the definition: exponential, and plainly right. */
export function patternOracle(pattern: readonly string[], type: readonly string[], first = true): boolean {
  const [want, ...rest] = pattern;
  if (want === undefined) return type.length === 0;
  const reserved = first && (type[0] ?? '').startsWith('$');
  if (want === '**')
    return (
      !reserved &&
      (patternOracle(rest, type, false) || (type.length > 0 && patternOracle(pattern, type.slice(1), false)))
    );
  return (
    type.length > 0 && ((want === '*' && !reserved) || want === type[0]) && patternOracle(rest, type.slice(1), false)
  );
}

export const arbitraryPattern = fc.array(fc.constantFrom('a', 'b', 'c', '*', '**'), { minLength: 1, maxLength: 6 });
export const arbitraryType = fc
  .tuple(fc.constantFrom('a', 'b', '$bus'), fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 5 }))
  .map(([first, rest]) => [first, ...rest]);
