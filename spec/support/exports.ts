import { readCode } from './source-text.ts';

/**
 * The names a module exports, sorted, types marked: `createBus`, `type Bus`. `readModule` answers the text of a module
 * whose names are passed on with a star.
 */
export function exportsOf(text: string, readModule: (specifier: string) => string): readonly string[] {
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
  const passedOn = [...code.matchAll(/^export\s+(type\s+)?\*\s*from\s*['"]([^'"]+)/gm)].flatMap(([, typeOnly, from]) =>
    exportsOf(readModule(from!), readModule).map((name) => (typeOnly === undefined ? name : asType(name))),
  );
  const named = [...declared].map(([, kind, name]) =>
    kind === 'type' || kind === 'interface' ? `type ${name}` : name!,
  );
  // An overloaded function is declared several times.
  return [...new Set([...named, ...listed, ...passedOn])].toSorted();
}

function asType(name: string): string {
  return name.startsWith('type ') ? name : `type ${name}`;
}
