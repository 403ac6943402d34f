/** The door for plugins: all that a store or a sink of one's own needs. */
export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export { toMs } from './duration.ts';
export type { Duration } from './duration.ts';
export { TelltaleError, expected, isTelltaleError, show, toError } from './errors.ts';
export type { ErrorCode, ErrorOptions } from './errors.ts';
export { canonicalJson, contentHash } from './event/content-hash.ts';
export type { Metadata, Plain, StoredEvent, TelltaleEvent } from './event/event.ts';
export type { Filter } from './filter/language.ts';
export { AbstractStore } from './store/abstract-store.ts';
export type { Commit, Outcome } from './store/append-queue.ts';
export { decideCommit } from './store/decide-commit.ts';
export type { CommitFacts, Decision, QueryCondition } from './store/decide-commit.ts';
export type * from './store/port.ts';
export { intersects, mergeRanges, recordRemoval, subtractRanges } from './store/ranges.ts';
export type { Range } from './store/ranges.ts';
