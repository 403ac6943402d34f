import { parsePattern } from './pattern.ts';

interface Entry<T> {
  /** Rises with every add: the order of answers. */
  readonly serial: number;
  readonly value: T;
  /** Where it stands in its list, so that it leaves in constant time. */
  index: number;
}

interface Node<T> {
  readonly parent: Node<T> | undefined;
  readonly segment: string;
  readonly entries: Entry<T>[];
  readonly children: Map<string, Node<T>>;
  star: Node<T> | undefined;
  stars: Node<T> | undefined;
  /** The walk that saw it last: a walk enters a node once per segment. */
  seen: number;
}

interface Answer<T> {
  readonly version: number;
  readonly values: readonly T[];
}

/** Types remembered at once: two generations of half as many each. */
const MEMO_TYPES = 10_000;

/**
 * Finds the values whose pattern covers a type. Exact patterns live in a map, wildcards in a trie walked as a set of
 * states, so no combination of `**` is worse than linear in the nodes it reaches. Answers are remembered per type.
 *
 * Invalidation: an exact pattern forgets the answer for its one type; a wildcard raises a version number, and a
 * remembered answer of an older version is worked out again when it is next asked for. Nothing is ever scanned.
 * Bounds: about 10,000 types are remembered; when a generation is full the older one is dropped whole.
 */
export class TopicTrie<T> {
  readonly #exact = new Map<string, Entry<T>[]>();
  readonly #root: Node<T> = createNode<T>(undefined, '');
  #young = new Map<string, Answer<T>>();
  #old = new Map<string, Answer<T>>();
  #version = 0;
  #serial = 0;
  #walk = 0;
  #size = 0;

  /** How many values are in it. */
  get size(): number {
    return this.#size;
  }

  /** Adds a value under a pattern; returns the undo, which may be called again without effect. Throws `INVALID_PATTERN`. */
  add(pattern: string, value: T): () => void {
    const { text, segments, exact } = parsePattern(pattern);
    const entry: Entry<T> = { serial: this.#serial++, value, index: 0 };
    const remove = exact ? this.#addExact(text, entry) : this.#addWildcard(segments, entry);
    this.#size++;
    let present = true;
    return () => {
      if (!present) return;
      present = false;
      this.#size--;
      remove();
    };
  }

  /** All values whose pattern covers the type, in the order they were added. The array is never changed later. */
  match(type: string): readonly T[] {
    const answer = this.#young.get(type);
    if (answer !== undefined && answer.version === this.#version) return answer.values;
    return this.#recall(type);
  }

  #recall(type: string): readonly T[] {
    const kept = this.#old.get(type);
    const answer =
      kept !== undefined && kept.version === this.#version
        ? kept
        : { version: this.#version, values: this.#find(type) };
    if (this.#young.size >= MEMO_TYPES / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(type, answer);
    return answer.values;
  }

  #forget(type: string): void {
    this.#young.delete(type);
    this.#old.delete(type);
  }

  #addExact(type: string, entry: Entry<T>): () => void {
    const entries = this.#exact.get(type);
    if (entries === undefined) this.#exact.set(type, [entry]);
    else insert(entries, entry);
    this.#forget(type);
    return () => {
      const left = this.#exact.get(type)!;
      take(left, entry);
      if (left.length === 0) this.#exact.delete(type);
      this.#forget(type);
    };
  }

  #addWildcard(segments: readonly string[], entry: Entry<T>): () => void {
    let node = this.#root;
    for (const segment of segments) node = childOf(node, segment);
    insert(node.entries, entry);
    this.#version++;
    return () => {
      take(node.entries, entry);
      prune(node);
      this.#version++;
    };
  }

  #find(type: string): readonly T[] {
    const found = [...(this.#exact.get(type) ?? [])];
    for (const node of this.#reach(type)) for (const entry of node.entries) found.push(entry);
    return found.toSorted((a, b) => a.serial - b.serial).map((entry) => entry.value);
  }

  // The nodes at which the type ends. One set of states per segment; `**` stays in the set whatever comes.
  #reach(type: string): readonly Node<T>[] {
    const segments = type.split('.');
    let states: Node<T>[] = [];
    enter(states, this.#root, ++this.#walk, !type.startsWith('$'));
    for (const [index, segment] of segments.entries()) {
      const next: Node<T>[] = [];
      const walk = ++this.#walk;
      // Only a literal first segment may begin with `$`: wildcards of the root do not stand for it.
      const wild = index > 0 || !segment.startsWith('$');
      for (const node of states) {
        if (node.segment === '**') enter(next, node, walk);
        enter(next, node.children.get(segment), walk);
        if (wild) enter(next, node.star, walk);
      }
      states = next;
    }
    return states;
  }
}

function createNode<T>(parent: Node<T> | undefined, segment: string): Node<T> {
  return { parent, segment, entries: [], children: new Map(), star: undefined, stars: undefined, seen: 0 };
}

function childOf<T>(node: Node<T>, segment: string): Node<T> {
  if (segment === '*') return (node.star ??= createNode(node, segment));
  if (segment === '**') return (node.stars ??= createNode(node, segment));
  let child = node.children.get(segment);
  if (child === undefined) node.children.set(segment, (child = createNode(node, segment)));
  return child;
}

// A node is entered together with its `**`, which stands for no segment as well.
function enter<T>(states: Node<T>[], node: Node<T> | undefined, walk: number, wild = true): void {
  if (node === undefined || node.seen === walk) return;
  node.seen = walk;
  states.push(node);
  if (wild) enter(states, node.stars, walk);
}

function insert<T>(entries: Entry<T>[], entry: Entry<T>): void {
  entry.index = entries.length;
  entries.push(entry);
}

// The last one fills the gap; order is restored when an answer is worked out.
function take<T>(entries: Entry<T>[], entry: Entry<T>): void {
  const last = entries.pop()!;
  if (last === entry) return;
  entries[entry.index] = last;
  last.index = entry.index;
}

function prune<T>(from: Node<T>): void {
  let node = from;
  while (node.parent !== undefined && isBare(node)) {
    const { parent, segment } = node;
    if (segment === '*') parent.star = undefined;
    else if (segment === '**') parent.stars = undefined;
    else parent.children.delete(segment);
    node = parent;
  }
}

function isBare<T>(node: Node<T>): boolean {
  return node.entries.length === 0 && node.children.size === 0 && node.star === undefined && node.stars === undefined;
}
