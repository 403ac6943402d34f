/** The front door: a bus, what to feed it with, and the two stores that need no installation. */
export type { Actor, ActorContext, Behaviour, Command, Decision, Fact, Loaded, TellOptions } from './acting-api.ts';
export type { ActorFigures, ActorsGone, InstanceInfo, InstanceStatus } from './actor/figures.ts';
export type { SnapshotOptions } from './actor/snapshots.ts';
export type { Strategy, SuperviseOptions } from './actor/supervision.ts';
export type {
  Batch,
  BatchReceipt,
  BuildPipeline,
  Bus,
  CloseReport,
  ContextInfo,
  Handler,
  IterateOptions,
  ObserveOptions,
  Output,
  ReplayHandler,
  ReplayInto,
  RetentionApi,
  Undo,
} from './api.ts';
export type { HandlerContext, OnceOptions, PublishOptions, Receipt } from './handler-api.ts';
export type {
  AnswerOptions,
  Ask,
  AskEachOptions,
  AskManyOptions,
  AskOneOptions,
  AskOptions,
  Asking,
} from './asking-api.ts';
export type { Answer } from './ask/call.ts';
export type { EachAnswer } from './ask/each.ts';
export { createBus } from './bus.ts';
export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export type { ConsumeTerms, Consumer, ConsumerContext, Consumers } from './consuming-api.ts';
export type { EffectsOptions } from './correlation/chain.ts';
export type { JoinOptions } from './correlation/join-options.ts';
export type { JoinResult } from './correlation/join.ts';
export type { TreeNode } from './correlation/tree.ts';
export { copyStore } from './copy/copy-store.ts';
export type { CopyReport } from './copy/copy-store.ts';
export type { CopyMap, CopyOptions, CopyProgress } from './copy/options.ts';
export { fileTarget } from './delivery/file-target.ts';
export type { FileTarget, FileTransaction } from './delivery/file-target.ts';
export type { ConsumerEntry } from './delivery/listing.ts';
export type { ConsumeOptions, ConsumerBatch } from './delivery/options.ts';
export type {
  CheckpointTarget,
  RetryAnswer,
  SkippedEvent,
  SyncAnswer,
  SynchronousTarget,
  TargetCheckpoint,
} from './delivery/target.ts';
export type { ConsumerFigures, ConsumerLag, ConsumerStatus, OnFailure } from './delivery/terms.ts';
export type { Duration } from './duration.ts';
export { ERRORS, TelltaleError, isTelltaleError } from './errors.ts';
export type { ErrorCode } from './errors.ts';
export { defineEvents, transient } from './event/define-events.ts';
export type { EventDeclarations, EventEntry, PayloadsOf, Upcast } from './event/define-events.ts';
export type { Metadata, Plain, Priority, StoredEvent, TelltaleEvent } from './event/event.ts';
export type { Place } from './event/place.ts';
export type { StandardSchema } from './event/schema.ts';
export { toPlain } from './event/to-plain.ts';
export type { AnyEvents, EventMap, EventOf, Matching, StoredEventOf } from './event/typed-patterns.ts';
export type { Filter } from './filter/language.ts';
export type { Where } from './filter/where.ts';
export type { Anomalies, AnomaliesOptions, Anomaly } from './history/anomalies.ts';
export type { Durations, DurationsOptions } from './history/durations.ts';
export type { GapAnomaly } from './history/gaps.ts';
export type { Explanation } from './history/explain.ts';
export type { Found, Removal, RemovedEvent } from './history/lookup.ts';
export type { SearchMatch } from './history/matching.ts';
export type { Paged } from './history/paged.ts';
export type { Letter, LetterEntry } from './letters/letter.ts';
export type {
  DeadLetterBox,
  DiscardLettersOptions,
  DiscardReport,
  RetryLettersOptions,
  WhichLetters,
} from './letters/letters.ts';
export type { RetryReport } from './letters/retrier.ts';
export type { DeadLetterOptions, RetryScheduleOptions } from './letters/schedule-options.ts';
export type { LetterQuery, LetterSelection } from './letters/selection.ts';
export type { Query, QueryPage } from './history/query.ts';
export type { QueryOptions } from './history/query-options.ts';
export type { Ranked, Ranking } from './history/ranking.ts';
export type { Search, SearchHit, SearchOptions, SearchPage } from './history/search.ts';
export type { EventMark, Stats, StatsOptions } from './history/stats.ts';
export type { TimeBucket } from './history/time-histogram.ts';
export type { Selection } from './store/read/selection.ts';
export type { DurationMark, DurationPair } from './history/pairing.ts';
export type { RateAnomaly } from './history/rate.ts';
export type { Measured, Measures } from './history/measures.ts';
export type { SummarizeOptions, Summary, SummaryRow } from './history/summarize.ts';
export type { EmitOptions } from './intake/emit-options.ts';
export { redact } from './intake/redact.ts';
export type { AdmitStage } from './intake/stages.ts';
export type { Health } from './observe/health.ts';
export type { HistogramSnapshot } from './observe/histogram.ts';
export type { Metrics } from './observe/metrics.ts';
export type { BusOptions, CacheOptions, MailboxOptions, SubscribeOptions } from './options.ts';
export type { CompareOptions, ReplayComparison } from './replay/effects.ts';
export type { FoldOptions } from './replay/fold.ts';
export type { ReplayOptions } from './replay/options.ts';
export type { ReplayPreview } from './replay/preview.ts';
export type { ReplayProgress } from './replay/progress.ts';
export type { Replay, ReplayResult } from './replay/replay.ts';
export type { ReplayFailure } from './replay/tally.ts';
export type { HeldChain } from './retention/chains.ts';
export type { ClearOptions, ClearReport } from './retention/clear.ts';
export type { EnforceReport } from './retention/enforce.ts';
export type { Fate, Why } from './retention/fates.ts';
export type { RetentionOptions } from './retention/options.ts';
export type { RetentionPlan } from './retention/preview.ts';
export type { PreviewOptions } from './retention/preview-options.ts';
export type { RetentionRule } from './retention/rule.ts';
export type { RetentionFigures, SweepReport } from './retention/stats.ts';
export type { Amount, HeldByFloor, RuleFigures } from './retention/tally.ts';
export type { RetryOptions } from './retry.ts';
export { caused } from './router/caused.ts';
export type { CausedOutput, PipelineOutput } from './router/caused.ts';
export type { RemovedFigures, SubscriptionFigures } from './router/subscription-figures.ts';
export type { DeadLetter, LetterReason, LetterState } from './store/letter.ts';
export type { SchemaInfo, Schemas } from './schemas/schemas.ts';
export type { ScheduleEntry, Scheduled, ScheduleOptions, Schedules } from './schedule-api.ts';
export type { SinkOptions } from './delivery/sink-options.ts';
export type { SinkFigures } from './store/sink-figures.ts';
export type { Durability, Expectation, Sink, Store } from './store/port.ts';
export { jsonFile } from '../plugins/json-file/index.ts';
export { memory } from '../plugins/memory/index.ts';
