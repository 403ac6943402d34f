/** Who handles events in a worker, told apart from its parent and from other pools: part of the name of its effects. */
export interface SeatNames {
  /** One for all workers that share the events of a subscription. */
  readonly shared: string;
  /** Of this worker alone, and of the one that takes its place when it dies. */
  readonly own: string;
}

const taken = new WeakMap<object, Set<string>>();

/** A name for a pool that no other live pool of the bus has, the same one after a restart; `leave` gives it back. */
export function claimName(owner: object, name: string): { readonly name: string; leave(): void } {
  const names = taken.get(owner) ?? new Set<string>();
  taken.set(owner, names);
  let claimed = name;
  for (let place = 2; names.has(claimed); place++) claimed = `${name}#${place}`;
  names.add(claimed);
  return { name: claimed, leave: () => void names.delete(claimed) };
}
