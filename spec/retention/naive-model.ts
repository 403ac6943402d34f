import type { StoredEvent } from '../../lib/plugin.ts';
import { eventBytes } from '../../lib/retention/event-bytes.ts';
import type { RetentionRule } from '../../lib/retention/rule.ts';

/** What protects events, as documents and letters say it. */
export interface Shields {
  readonly checkpoints: Readonly<Record<string, { readonly position: number; readonly live: boolean }>>;
  readonly letters: readonly number[];
  readonly snapshots: Readonly<Record<string, number>>;
}

const RANKS = ['low', 'normal', 'high', 'critical'];
const HOURS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000 };
const THIRTY_DAYS = 30 * HOURS['d']!;

/** Positions that go, the slow and plain way: everything in memory, filtered and sorted anew for each event. */
export function naiveGoing(
  events: readonly StoredEvent[],
  rules: readonly RetentionRule[],
  at: number,
  shields: Shields,
): number[] {
  const ruleOf = (event: StoredEvent): RetentionRule | undefined =>
    rules.find((rule) => matches(rule, event)) ?? (isReserved(event) ? BUILT_IN : undefined);
  const decided = (rule: RetentionRule): StoredEvent[] => events.filter((event) => ruleOf(event) === rule);

  const letsGo = (event: StoredEvent): boolean => {
    const rule = ruleOf(event);
    if (rule === undefined) return false;
    const { keepFor, keepCount, keepBytes, keepPriority, keepLatestByEntity, keepUntilProcessedBy, by } = rule;
    const limits = [keepFor, keepCount, keepBytes, keepPriority, keepLatestByEntity, keepUntilProcessedBy];
    if (limits.every((limit) => limit === undefined)) return false;
    if (keepFor !== undefined && at - (by === 'time' ? event.time : event.storedAt) < toMs(keepFor)) return false;
    const all = newestFirst(decided(rule));
    const rank = all.indexOf(event);
    if (keepCount !== undefined && rank < keepCount) return false;
    const bytes = all.slice(0, rank + 1).reduce((sum, each) => sum + eventBytes(each), 0);
    if (keepBytes !== undefined && bytes <= keepBytes) return false;
    const priority = RANKS.indexOf(event.metadata.priority ?? 'normal');
    if (keepPriority !== undefined && priority >= RANKS.indexOf(keepPriority)) return false;
    if (keepLatestByEntity !== undefined) {
      const others = limits.filter((limit) => limit !== undefined && limit !== keepPriority);
      if (event.entity === undefined && others.length === 1) return false;
      const same = all.filter(({ entity }) => entity === event.entity);
      if (event.entity !== undefined && same.indexOf(event) < keepLatestByEntity) return false;
    }
    return [keepUntilProcessedBy ?? []]
      .flat()
      .every((name) => event.position <= (shields.checkpoints[name]?.position ?? 0));
  };
  const isShielded = ({ position, entity = '' }: StoredEvent): boolean =>
    Object.values(shields.checkpoints).some((checkpoint) => checkpoint.live && position > checkpoint.position) ||
    shields.letters.includes(position) ||
    (Object.hasOwn(shields.snapshots, entity) && position > shields.snapshots[entity]!);

  const free = new Set(events.filter((event) => letsGo(event) && !isShielded(event)));
  const goes = (event: StoredEvent): boolean => {
    const whole = ruleOf(event)?.wholeCorrelations;
    if (!free.has(event)) return false;
    if (whole === undefined || whole === false) return true;
    const chain = newestFirst(events.filter((each) => !isOwn(each) && each.correlationId === event.correlationId));
    if (isOwn(event) || chain.every((each) => free.has(each))) return true;
    return whole !== true && chain.indexOf(event) >= whole.atMost;
  };
  return events.filter(goes).map(({ position }) => position);
}

const BUILT_IN: RetentionRule = { match: '**', keepFor: THIRTY_DAYS };

const newestFirst = (list: readonly StoredEvent[]): StoredEvent[] => list.toSorted((a, b) => b.position - a.position);
const isOwn = ({ type }: Pick<StoredEvent, 'type'>): boolean => type.startsWith('$');
const isReserved = ({ entity = '' }: StoredEvent): boolean => /^\$(?:dead-letters|audit)\//.test(entity);

/** The patterns the random rules use, each said in another way. */
export const PATTERNS: Readonly<Record<string, (type: string) => boolean>> = {
  '**': (type) => !isOwn({ type }),
  'task.*': (type) => type.startsWith('task.') && type.split('.').length === 2,
  'task.**': (type) => type.split('.')[0] === 'task',
  'task.created': (type) => type === 'task.created',
  '*.done': (type) => type.endsWith('.done') && type.split('.').length === 2 && !isOwn({ type }),
  '**.done': (type) => type.endsWith('.done') && !isOwn({ type }),
  'error.**': (type) => type.split('.')[0] === 'error',
  '$dead-letter.**': (type) => type.startsWith('$dead-letter.'),
};

function matches({ match, where }: RetentionRule, { type, payload }: StoredEvent): boolean {
  const wanted = (where as { readonly 'payload.n'?: number } | undefined)?.['payload.n'];
  return PATTERNS[match]!(type) && (wanted === undefined || (payload as { readonly n?: number } | null)?.n === wanted);
}

function toMs(duration: number | string): number {
  if (typeof duration === 'number') return duration;
  return Number.parseFloat(duration) * HOURS[duration.at(-1)!]!;
}
