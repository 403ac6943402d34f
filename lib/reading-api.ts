import type { EffectsOptions } from './correlation/chain.ts';
import type { JoinOptions } from './correlation/join-options.ts';
import type { JoinResult } from './correlation/join.ts';
import type { TreeNode } from './correlation/tree.ts';
import type { StoredEvent } from './event/event.ts';
import type { AnyEvents, StoredEventOf } from './event/typed-patterns.ts';
import type { Anomalies, AnomaliesOptions } from './history/anomalies.ts';
import type { Durations, DurationsOptions } from './history/durations.ts';
import type { QueryOptions } from './history/query-options.ts';
import type { SummarizeOptions, Summary } from './history/summarize.ts';
import type { Selection } from './store/read/selection.ts';
import type { Found } from './history/lookup.ts';
import type { Query } from './history/query.ts';
import type { Search, SearchOptions } from './history/search.ts';
import type { Stats, StatsOptions } from './history/stats.ts';
import type { PathOf, NumberPathOf, Asked, Filtered, Selected } from './typed-options.ts';

/** What can be asked of the log through the bus. */
export interface Reading<E = AnyEvents> {
  /** The stored event with this id; `{ removed }` for one that was taken out, `undefined` for one that never was. */
  get(id: string): Promise<Found | undefined>;
  /** `await` it for one page of 100, or go over all events with `for await`. */
  query<P extends string = '**', T extends string = never>(
    options?: Selected<QueryOptions, E, P, T>,
  ): Query<StoredEventOf<E, Asked<P, T>>>;
  count<P extends string = '**', T extends string = never>(selection?: Selected<Selection, E, P, T>): Promise<number>;
  /**
   * Events in whose texts and numbers all words occur, whatever their case; `"words in quotes"` belong together. The
   * newest first. `await` it for one page of 100, or get each hit as it is found with `for await`.
   */
  search<P extends string = '**', T extends string = never>(
    text: string,
    options?: Selected<SearchOptions<PathOf<E, Asked<P, T>>>, E, P, T>,
  ): Search<StoredEventOf<E, Asked<P, T>>>;
  /** What the log holds: totals, types, sources, bytes. The first call reads everything, later ones what came since. */
  stats(options?: StatsOptions): Promise<Stats>;
  /** Figures of groups of events: `{ by: 'payload.tool', bucket: '1h', count: true, p95: 'payload.ms', top: 10 }`. */
  summarize<P extends string = '**', T extends string = never>(
    options?: Selected<SummarizeOptions<PathOf<E, Asked<P, T>>, NumberPathOf<E, Asked<P, T>>>, E, P, T>,
  ): Promise<Summary>;
  /** How long things took: `{ start: 'tool.started', end: ['tool.finished', 'tool.failed'] }`; and what never ended. */
  durations<P extends string>(
    options: Filtered<DurationsOptions<PathOf<E, P>, StoredEventOf<E, P>>, E, P> & {
      readonly start: P | readonly P[];
      readonly end: P | readonly P[];
    },
  ): Promise<Durations>;
  /** Unusual rates and silences by robust z-score: `{ by: 'type', bucket: '1h' }`. */
  anomalies<P extends string = '**', T extends string = never>(
    options?: Selected<AnomaliesOptions<PathOf<E, Asked<P, T>>>, E, P, T>,
  ): Promise<Anomalies>;
  /** The stored events of a correlation, in position order. */
  timeline(correlationId: string): Promise<readonly StoredEvent[]>;
  /** The tree of a correlation, or of an event and its effects. */
  tree(id: string): Promise<readonly TreeNode[]>;
  /** Everything an event came from, nearest first. */
  causes(id: string): Promise<readonly StoredEvent[]>;
  /** Everything that came from an event, in position order. */
  effects(id: string, options?: EffectsOptions): Promise<readonly StoredEvent[]>;
  /**
   * Waits until a correlation has so many events of each pattern, stored and live ones together. Rejects with
   * `JOIN_FAILED`, `TIMEOUT`, `BUS_CLOSED`, `ABORTED`; `partial: true` resolves instead, but for the last.
   */
  join(correlationId: string, wanted: Readonly<Record<string, number>>, options?: JoinOptions): Promise<JoinResult>;
}
