/**
 * A copy of a state for whoever looks at it, who may change it as he likes. Objects, arrays, maps and sets are copied;
 * what has a class of its own is handed out as it is. No recursion: a state may be as deep as life makes it.
 */
export function copyState(state: unknown): unknown {
  const copies = new Map<object, object>();
  const open: (readonly [from: object, to: object])[] = [];
  const copyOf = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const known = copies.get(value);
    if (known) return known;
    const copy = emptyAs(value);
    if (copy === undefined) return value;
    copies.set(value, copy);
    open.push([value, copy]);
    return copy;
  };
  const copied = copyOf(state);
  for (let next = open.pop(); next; next = open.pop()) fill(...next, copyOf);
  return copied;
}

function emptyAs(value: object): object | undefined {
  if (Array.isArray(value)) return [];
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return Object.create(prototype) as object;
  if (prototype === Map.prototype) return new Map();
  return prototype === Set.prototype ? new Set() : undefined;
}

function fill(from: object, to: object, copyOf: (value: unknown) => unknown): void {
  if (from instanceof Map)
    for (const [key, value] of from) (to as Map<unknown, unknown>).set(copyOf(key), copyOf(value));
  else if (from instanceof Set) for (const value of from) (to as Set<unknown>).add(copyOf(value));
  else if (Array.isArray(from)) for (const value of from) (to as unknown[]).push(copyOf(value));
  else
    for (const [key, value] of Object.entries(from))
      Object.defineProperty(to, key, { value: copyOf(value), writable: true, enumerable: true, configurable: true });
}
