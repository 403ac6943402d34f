/** The door for plugins: all that a store or a sink of one's own needs. */
export { createVirtualClock, systemClock } from './clock.ts';
export type { Clock, VirtualClock } from './clock.ts';
export { Thrown, mustBeNewest, usedLate } from './delivery/target.ts';
export type {
  CheckpointTarget,
  CommitAnswer,
  SyncAnswer,
  RetryAnswer,
  SkippedEvent,
  SynchronousTarget,
  TargetCheckpoint,
} from './delivery/target.ts';
export { readDocuments, writeDocuments } from './copy/documents.ts';
export type { DocumentSet, Missed } from './copy/documents.ts';
export { extentOf, unlessDamaged } from './copy/extent.ts';
export type { Extent } from './copy/extent.ts';
export type { Damageable, Remains } from './copy/remains.ts';
export { toMs } from './duration.ts';
export type { Duration } from './duration.ts';
export { connectBus } from './connecting.ts';
export type { ConnectOptions, LinkedBus } from './connecting.ts';
export { TelltaleError, expected, isTelltaleError, show, toError } from './errors.ts';
export type { ErrorCode, ErrorOptions } from './errors.ts';
export { contentHash } from './event/content-hash.ts';
export type { Metadata, Plain, StoredEvent, TelltaleEvent } from './event/event.ts';
export { INDEX_PATH, indexKey, indexKeyReader, indexedPaths, isIndexPath } from './event/index-key.ts';
export { isWellFormed } from './event/well-formed.ts';
export type { Filter } from './filter/language.ts';
export type { Bus } from './api.ts';
export type { EventDeclarations, PayloadsOf } from './event/define-events.ts';
export type { Started, WorkerFigures } from './link/pool.ts';
export { parsePool } from './link/pool-options.ts';
export type { PoolOptions, RestartOptions } from './link/pool-options.ts';
export type { Transport, TransportPort } from './link/transport.ts';
export { openPool, scriptName } from './link/worker-pool.ts';
export type { WorkerPool } from './link/worker-pool.ts';
export { Lazy } from './lazy.ts';
export { linkPortOf } from './linking.ts';
export { parseWith } from './parse-options.ts';
export { Serial } from './serial.ts';
export { Turns } from './turns.ts';
export { hasCheckpoints } from './sql/checkpoint-tables.ts';
export type { FoundTable } from './sql/checkpoint-tables.ts';
export { conditionsOf, pushdownOf } from './sql/conditions.ts';
export { mustNotEnd } from './sql/transaction-end.ts';
export type { Bind, Dialect } from './sql/conditions.ts';
export { checkVersion, migrate, newestVersion } from './sql/migrations.ts';
export type { Migrations } from './sql/migrations.ts';
export { EVENT_COLUMNS, fromRow, metadataText, payloadText, toRow } from './sql/rows.ts';
export type { EventRow } from './sql/rows.ts';
export { BlockBuilder } from './sql/block-builder.ts';
export type { BlockStore } from './sql/block-builder.ts';
export { BLOCK_EVENT_BYTES, BLOCK_POSITIONS, candidatesOf, entriesOf, sameEntries } from './sql/text-blocks.ts';
export type { BlockEntry, BlockEvent, BlockSource, Candidates, FoundEntries, FoundEntry } from './sql/text-blocks.ts';
export { trigramsOf } from './sql/trigrams.ts';
export { tallyInWindows } from './sql/tallying.ts';
export type { TallyStatement } from './sql/tallying.ts';
export { AbstractSink } from './store/abstract-sink.ts';
export { AbstractStore } from './store/abstract-store.ts';
export type { Commit, Outcome } from './store/append-queue.ts';
export { MAX_EVENT_BYTES, prepareAppends } from './store/check-events.ts';
export type { PreparedAppends } from './store/check-events.ts';
export { decide, lookingUp } from './store/decide.ts';
export { decideCommit } from './store/decide-commit.ts';
export { FreeSpace } from './store/free-space.ts';
export { LEASES, mustHold, toDocuments } from './store/documents.ts';
export { hashInTurns } from './store/hash-in-turns.ts';
export type { LookUps } from './store/gather-facts.ts';
export type { Between } from './store/log-changes.ts';
export { Lease } from './store/leases.ts';
export { PAGE_BYTES, compileHints, fillPage, withHints } from './store/page-reader.ts';
export type * from './store/port.ts';
export { intersects, mergeRanges, overlapping, recordRemoval, recordRemovals, subtractRanges } from './store/ranges.ts';
export type { Range } from './store/ranges.ts';
export { Slice } from './store/slice.ts';
