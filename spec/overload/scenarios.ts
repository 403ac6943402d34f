import type { SubscribeOptions } from '../../lib/index.ts';

/** Who takes the events of a flood, and how they are offered. */
export interface Scenario {
  /** How each member subscribes; absent where an iterator reads. */
  readonly on?: SubscribeOptions;
  /** How many subscribe. @default 1 */
  readonly members?: number;
  /** They do so in worker threads. */
  readonly inWorkers?: boolean;
  readonly stored?: boolean;
  /** Events come from so many publishers, each of which awaits its last one. @default emitted, whether there is room or not */
  readonly publishers?: number;
  /** Every handler emits so many of the same type. @default 0 */
  readonly offspring?: number;
  /** Every third handler throws. */
  readonly fails?: boolean;
  /** What must not stay 0, so that the flood really was one. */
  readonly overflows: 'dropped' | 'refusals' | 'lagged' | 'held back';
}

export const MAX_QUEUED = 1_000;
/** The places of what a flood shares with its workers. */
export const CALLS = 0;
export const TURNS = 1;
/** In place of a number of turns: nobody needs to be slow any more. */
export const OVER = -1;

const max = MAX_QUEUED;
const keyed = { key: 'payload.key', concurrency: 1 };

/** Every overflow policy, with lanes and without, alone and in groups; and a full ingress. */
export const SCENARIOS = {
  reject: { on: { mailbox: { max, overflow: 'reject' } }, overflows: 'dropped' },
  'reject, by key': { on: { mailbox: { max, overflow: 'reject' }, ...keyed }, overflows: 'dropped' },
  'drop-oldest': { on: { mailbox: { max, overflow: 'drop-oldest' } }, overflows: 'dropped' },
  'drop-oldest, by key': { on: { mailbox: { max, overflow: 'drop-oldest' }, ...keyed }, overflows: 'dropped' },
  'latest-by-key': { on: { mailbox: { max, overflow: 'latest-by-key' }, ...keyed }, overflows: 'dropped' },
  // Nobody is turned away but by the ingress, which fills up behind the mailbox.
  wait: { on: { mailbox: { max, overflow: 'wait' } }, overflows: 'refusals' },
  'wait, by key': { on: { mailbox: { max, overflow: 'wait' }, ...keyed }, overflows: 'refusals' },
  lag: { overflows: 'lagged' },
  'a group': { members: 3, on: { group: 'g', mailbox: { max, overflow: 'reject' } }, overflows: 'dropped' },
  'a group, by key': {
    members: 3,
    on: { group: 'g', mailbox: { max, overflow: 'drop-oldest' }, ...keyed },
    overflows: 'dropped',
  },
  'a group that is waited for': {
    members: 3,
    on: { group: 'g', mailbox: { max, overflow: 'wait' } },
    overflows: 'refusals',
  },
  'a worker that rejects': { inWorkers: true, on: { mailbox: { max, overflow: 'reject' } }, overflows: 'dropped' },
  'two workers, by key, drop-oldest': {
    inWorkers: true,
    members: 2,
    on: { mailbox: { max, overflow: 'drop-oldest' }, ...keyed },
    overflows: 'dropped',
  },
  'a worker that is waited for': {
    inWorkers: true,
    on: { mailbox: { max, overflow: 'wait' } },
    overflows: 'refusals',
  },
  'handlers that fail': { fails: true, on: { mailbox: { max, overflow: 'reject' } }, overflows: 'dropped' },
  'handlers that emit ten events each': {
    offspring: 10,
    on: { mailbox: { max, overflow: 'wait' } },
    overflows: 'refusals',
  },
  'publishers that await a full ingress': {
    publishers: 5_000,
    on: { mailbox: { max, overflow: 'wait' } },
    overflows: 'held back',
  },
  'reject with a store': { stored: true, on: { mailbox: { max, overflow: 'reject' } }, overflows: 'dropped' },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;

/** Each policy, lanes, groups, workers, a full ingress and a store once: the quick form. The others only vary them. */
export const QUICK: readonly ScenarioName[] = [
  'reject',
  'drop-oldest, by key',
  'latest-by-key',
  'wait',
  'lag',
  'a group, by key',
  'a worker that is waited for',
  'publishers that await a full ingress',
  'reject with a store',
];
