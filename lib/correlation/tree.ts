import type { StoredEvent } from '../event/event.ts';
import { checkId } from '../event/identity.ts';
import type { Store } from '../store/port.ts';
import { causeIds, readEvent, timeline } from './read.ts';

/** An event and what it caused. Trees are as deep as their chains: walk them without recursion. */
export interface TreeNode {
  readonly event: StoredEvent;
  /** In position order. */
  readonly children: readonly TreeNode[];
  /** The cause it names is in no log this store knows. */
  readonly missingCause?: string;
  /** The cause it names is stored, but outside this tree: in another correlation, or removed since. */
  readonly outerCause?: string;
  /** It and its causes name each other; the link from its cause was cut here. */
  readonly cyclic?: true;
}

interface Draft {
  readonly event: StoredEvent;
  readonly children: Draft[];
  parent: Draft | undefined;
  missingCause?: string;
  outerCause?: string;
  cyclic?: true;
}

/**
 * The tree of a correlation, or of an event and its effects within its correlation. Several roots where several events
 * came first or causes are missing; none where the id is unknown. An event with several causes stands under the
 * first of them that is in the tree. Rejects with `INVALID_ID`.
 */
export async function tree(store: Store, id: string): Promise<readonly TreeNode[]> {
  const events = await timeline(store, checkId(id, 'the id of an event or a correlation'));
  const event = events.length > 0 ? undefined : await readEvent(store, id);
  if (event === undefined) return buildTree(store, events);
  const drafts = link(await timeline(store, event.correlationId));
  cutCycles(drafts);
  return [...drafts.values()].filter((draft) => draft.event.id === id);
}

async function buildTree(store: Store, events: readonly StoredEvent[]): Promise<readonly TreeNode[]> {
  const drafts = link(events);
  cutCycles(drafts);
  const roots = [...drafts.values()].filter((draft) => draft.parent === undefined);
  await markCauses(store, roots);
  return roots;
}

function link(events: readonly StoredEvent[]): ReadonlyMap<string, Draft> {
  const drafts = new Map<string, Draft>();
  for (const event of events) drafts.set(event.id, { event, children: [], parent: undefined });
  for (const draft of drafts.values()) {
    const cause = causeIds(draft.event).find((id) => drafts.has(id));
    if (cause === undefined) continue;
    draft.parent = drafts.get(cause)!;
    draft.parent.children.push(draft);
  }
  return drafts;
}

// Imported logs may hold events that cause each other: without a root nobody would ever reach them.
function cutCycles(drafts: ReadonlyMap<string, Draft>): void {
  const safe = new Set<Draft>();
  for (const start of drafts.values()) {
    const path = new Set<Draft>();
    let draft: Draft | undefined = start;
    while (draft !== undefined && !safe.has(draft) && !path.has(draft)) {
      path.add(draft);
      draft = draft.parent;
    }
    if (draft !== undefined && path.has(draft)) cut(draft);
    for (const member of path) safe.add(member);
  }
}

/** Cuts a cycle above the member that was stored first. */
function cut(member: Draft): void {
  let first = member;
  for (let other = member.parent!; other !== member; other = other.parent!)
    if (other.event.position < first.event.position) first = other;
  const siblings = first.parent!.children;
  siblings.splice(siblings.indexOf(first), 1);
  first.parent = undefined;
  first.cyclic = true;
}

async function markCauses(store: Store, roots: readonly Draft[]): Promise<void> {
  const named = roots.filter((root) => root.cyclic === undefined && causeIds(root.event).length > 0);
  if (named.length === 0) return;
  const known = await store.find([...new Set(named.map((root) => causeIds(root.event)[0]!))]);
  for (const root of named) {
    const cause = causeIds(root.event)[0]!;
    if (known.has(cause)) root.outerCause = cause;
    else root.missingCause = cause;
  }
}
