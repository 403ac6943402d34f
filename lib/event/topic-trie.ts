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
  children: Map<string, Node<T>> | undefined;
  star: Node<T> | undefined;
  stars: Node<T> | undefined;
  /** The walk that saw it last: a walk enters a node once per segment. */
  seen: number;
  /** It is bare and waits to be cut off. */
  lingers: boolean;
}

interface Answer<T> {
  /** The wildcards it was worked out from; `STALE` after a change of its exact pattern. */
  version: number;
  values: readonly T[];
}

/** Types remembered at once: two generations of half as many each. */
const MEMO_TYPES = 10_000;
/** Bare nodes kept a while. A Map slows down when one key comes and goes: its tombstones share a bucket. */
const LINGERING = 1_024;
const STALE = -1;

/**
 * Finds the values whose pattern covers a type. Exact patterns live in a map, wildcards in a trie walked as a set of
 * states, so no combination of `**` is worse than linear in the nodes it reaches. Answers are remembered per type.
 *
 * Invalidation: an exact pattern makes the answer for its one type stale; a wildcard raises a version number, and a
 * remembered answer of an older version is worked out again when it is next asked for. Nothing is ever scanned.
 * Bounds: about 10,000 types are remembered (when a generation is full the older one is dropped whole), and at most
 * 1,024 nodes without values are kept.
 */
export class TopicTrie<T> {
  readonly #exact: Node<T> = createNode<T>(undefined, '');
  readonly #wild: Node<T> = createNode<T>(undefined, '');
  readonly #lingering: (Node<T> | undefined)[] = Array.from({ length: LINGERING });
  #lingered = 0;
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
    const node = exact ? childOf(this.#exact, text) : segments.reduce(childOf, this.#wild);
    const entry: Entry<T> = { serial: this.#serial++, value, index: node.entries.length };
    node.entries.push(entry);
    this.#changed(node, 1);
    let present = true;
    return () => {
      if (!present) return;
      present = false;
      take(node.entries, entry);
      this.#changed(node, -1);
      if (isBare(node)) this.#linger(node);
    };
  }

  /** All values whose pattern covers the type, in the order they were added. The array is never changed later. */
  match(type: string): readonly T[] {
    const answer = this.#young.get(type);
    if (answer !== undefined && answer.version === this.#version) return answer.values;
    return this.#recall(type, answer);
  }

  #recall(type: string, known: Answer<T> | undefined): readonly T[] {
    const answer = known ?? this.#old.get(type) ?? { version: STALE, values: [] };
    if (answer.version !== this.#version) {
      answer.values = this.#find(type);
      answer.version = this.#version;
    }
    if (known === undefined) this.#remember(type, answer);
    return answer.values;
  }

  #remember(type: string, answer: Answer<T>): void {
    if (this.#young.size >= MEMO_TYPES / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(type, answer);
  }

  #changed(node: Node<T>, by: 1 | -1): void {
    this.#size += by;
    if (node.parent !== this.#exact) {
      this.#version++;
      return;
    }
    // Both generations: an answer that moved up to the young one is the same object.
    const answer = this.#young.get(node.segment) ?? this.#old.get(node.segment);
    if (answer !== undefined) answer.version = STALE;
  }

  #linger(node: Node<T>): void {
    if (node.lingers) return;
    node.lingers = true;
    const slot = this.#lingered++ % LINGERING;
    const longest = this.#lingering[slot];
    this.#lingering[slot] = node;
    if (longest === undefined) return;
    longest.lingers = false;
    prune(longest);
  }

  #find(type: string): readonly T[] {
    const found = [...(this.#exact.children?.get(type)?.entries ?? [])];
    for (const node of this.#reach(type)) for (const entry of node.entries) found.push(entry);
    return found.toSorted((a, b) => a.serial - b.serial).map((entry) => entry.value);
  }

  // The nodes at which the type ends. One set of states per segment; `**` stays in the set whatever comes.
  #reach(type: string): readonly Node<T>[] {
    const reserved = type.startsWith('$');
    let states: Node<T>[] = [];
    enter(states, this.#wild, ++this.#walk, !reserved);
    for (const [index, segment] of type.split('.').entries()) {
      const next: Node<T>[] = [];
      const walk = ++this.#walk;
      for (const node of states) {
        if (node.segment === '**') enter(next, node, walk);
        enter(next, node.children?.get(segment), walk);
        // A wildcard does not stand for the first segment of a reserved type.
        if (index > 0 || !reserved) enter(next, node.star, walk);
      }
      states = next;
    }
    return states;
  }
}

function createNode<T>(parent: Node<T> | undefined, segment: string): Node<T> {
  return {
    parent,
    segment,
    entries: [],
    children: undefined,
    star: undefined,
    stars: undefined,
    seen: 0,
    lingers: false,
  };
}

function childOf<T>(node: Node<T>, segment: string): Node<T> {
  if (segment === '*') return (node.star ??= createNode(node, segment));
  if (segment === '**') return (node.stars ??= createNode(node, segment));
  node.children ??= new Map();
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
    if (parent.star === node) parent.star = undefined;
    else if (parent.stars === node) parent.stars = undefined;
    else parent.children?.delete(segment);
    node = parent;
  }
}

function isBare<T>(node: Node<T>): boolean {
  const { entries, children, star, stars } = node;
  return entries.length === 0 && (children?.size ?? 0) === 0 && star === undefined && stars === undefined;
}
