import type { StoredEvent } from '../event/event.ts';
import { cut, oneLine, pad, widthOf } from './terminal-text.ts';
import type { TreeNode } from './tree.ts';

/** What a painter may colour; it must not change the width. */
export type Style = 'failure' | 'aside';

export interface RenderOptions {
  /** Columns. @default 80, at least 40 */
  readonly width?: number;
  /** Events shown; the rest is counted. @default 200 */
  readonly maxEvents?: number;
  /** @default no colours */
  readonly paint?: (style: Style, text: string) => string;
}

interface Row {
  readonly node: TreeNode;
  readonly prefix: string;
  /** What stands to the left of lines below this one. */
  readonly below: string;
  readonly depth: number;
}

const TIME_WIDTH = 9;
/** Deeper rows are not indented further but say how deep they are. */
const INDENTED = 8;

/** Draws trees as lines of text: type, source and time since the first event; failures with their message. */
export function renderTree(roots: readonly TreeNode[], options: RenderOptions = {}): string {
  const { maxEvents = 200, paint = (_style, text) => text } = options;
  const width = Math.max(40, options.width ?? 80);
  const rows = [...walk(roots)];
  const shown = rows.slice(0, maxEvents);
  const start = rows.reduce((least, { node }) => Math.min(least, node.event.time), Infinity);
  const longest = shown.reduce((most, row) => Math.max(most, widthOf(labelOf(row))), 0);
  const name = Math.min(Math.ceil(width * 0.6), longest);
  const source = width - name - TIME_WIDTH - 4;
  const lines = shown.flatMap((row) => {
    const { event } = row.node;
    const label = pad(cut(labelOf(row), name), name);
    const from = pad(cut(oneLine(event.source), source), source);
    const after = describeTime(event.time - start).padStart(TIME_WIDTH);
    const line = `${isFailure(event) ? paint('failure', label) : label}  ${paint('aside', `${from}  ${after}`)}`;
    const remarks = remarksOf(row.node).map(({ style, text }) => {
      const indent = `${row.below}  `;
      return indent + paint(style, cut(oneLine(text), width - widthOf(indent)));
    });
    return [line, ...remarks];
  });
  const hidden = rows.slice(maxEvents);
  if (hidden.length > 0) lines.push(paint('aside', describeHidden(hidden)));
  return lines.join('\n');
}

// Depth first with a stack of its own: chains may be longer than any call stack.
function* walk(roots: readonly TreeNode[]): Generator<Row, void, undefined> {
  const stack: Row[] = roots.map((node) => ({ node, prefix: '', below: '', depth: 0 })).toReversed();
  for (let row = stack.pop(); row !== undefined; row = stack.pop()) {
    yield row;
    const { children } = row.node;
    for (let index = children.length - 1; index >= 0; index--)
      stack.push(place(children[index]!, row, index === children.length - 1));
  }
}

function place(node: TreeNode, { below, depth }: Row, last: boolean): Row {
  if (depth >= INDENTED) return { node, prefix: `${below}${depth + 1} › `, below, depth: depth + 1 };
  return { node, prefix: below + (last ? '└─ ' : '├─ '), below: below + (last ? '   ' : '│  '), depth: depth + 1 };
}

function labelOf({ node: { event }, prefix }: Row): string {
  return `${prefix}${isFailure(event) ? '✗ ' : ''}${oneLine(event.type)}`;
}

function isFailure({ type }: StoredEvent): boolean {
  return type === 'failed' || type.endsWith('.failed') || type === '$dead-letter.opened';
}

function remarksOf(node: TreeNode): readonly { readonly style: Style; readonly text: string }[] {
  const { event, missingCause, outerCause, cyclic } = node;
  const message = isFailure(event) ? messageOf(event.payload) : '';
  return [
    ...(message === '' ? [] : [{ style: 'failure' as const, text: message }]),
    ...(missingCause === undefined ? [] : [{ style: 'aside' as const, text: `its cause ${missingCause} is missing` }]),
    ...(outerCause === undefined ? [] : [{ style: 'aside' as const, text: `its cause ${outerCause} lies elsewhere` }]),
    ...(cyclic === undefined ? [] : [{ style: 'aside' as const, text: 'it and its causes name each other' }]),
  ];
}

/** Where payloads usually say what went wrong. Three levels are enough for `{ error: { cause: { message } } }`. */
function messageOf(payload: unknown, levels = 3): string {
  if (typeof payload === 'string') return payload;
  if (typeof payload !== 'object' || payload === null || levels === 0) return '';
  const fields = payload as Readonly<Record<string, unknown>>;
  for (const key of ['error', 'message', 'reason', 'cause']) {
    const message = Object.hasOwn(fields, key) ? messageOf(fields[key], levels - 1) : '';
    if (message !== '') return message;
  }
  return '';
}

function describeTime(ms: number): string {
  if (ms < 1_000) return `+${Math.round(ms)} ms`;
  if (ms < 60_000) return `+${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 600) return `+${minutes} min`;
  return minutes < 60 * 48 ? `+${Math.round(minutes / 60)} h` : `+${Math.round(minutes / 1_440)} d`;
}

function describeHidden(hidden: readonly Row[]): string {
  const failures = hidden.filter(({ node }) => isFailure(node.event)).length;
  const events = `… ${hidden.length} more event${hidden.length === 1 ? '' : 's'}`;
  return failures === 0 ? events : `${events}, ${failures} of them failed`;
}
