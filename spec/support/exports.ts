import { readCode } from './source-text.ts';

/**
 * The names a module exports, sorted, types marked: `createBus`, `type Bus`.
 * `export * from` answers `* from …`, which no list can hold still.
 */
export function exportsOf(text: string): readonly string[] {
  const { code } = readCode(text);
  const declared = code.matchAll(
    /^export\s+(?:default\s+)?(?:abstract\s+|async\s+)?(function\*?|class|const|let|type|interface)\s+([\w$]+)/gm,
  );
  const listed = [...code.matchAll(/^export\s+(type\s+)?\{([^}]*)\}/gm)].flatMap(([, typeOnly, names]) =>
    names!
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => {
        const exported = name.replace(/^type\s+/, '').replace(/^.*\sas\s+/, '');
        return typeOnly !== undefined || name.startsWith('type ') ? `type ${exported}` : exported;
      }),
  );
  const stars = [...code.matchAll(/^export\s+(?:type\s+)?\*.*?from\s*['"]([^'"]+)/gm)].map(
    (match) => `* from ${match[1]}`,
  );
  const named = [...declared].map(([, kind, name]) =>
    kind === 'type' || kind === 'interface' ? `type ${name}` : name!,
  );
  return [...named, ...listed, ...stars].toSorted();
}
