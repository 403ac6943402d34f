import type { Bus } from './api.ts';
import {
  captured,
  currentCause,
  mustNotBeCaptured,
  mustNotBeHeld,
  NO_CHAIN,
  runWithoutCause,
  type Cause,
} from './context.ts';
import type { Core } from './core.ts';
import { toMs } from './duration.ts';
import { expected, TelltaleError } from './errors.ts';
import { Envelope } from './event/envelope.ts';
import { contentHash } from './event/content-hash.ts';
import { deepFrozen } from './event/deep-frozen.ts';
import type { StoredEvent, TelltaleEvent } from './event/event.ts';
import { isId, toTime } from './event/identity.ts';
import { derivedId } from './ids.ts';
import { EVENT_OPTIONS } from './intake/emit-options.ts';
import { mustKnow } from './parse-options.ts';
import { presenterOf } from './presenting.ts';
import { receiptOfCarried } from './receipts.ts';
import { dueOf, setOf } from './schedule/forms.ts';
import { KeptSchedules } from './schedule/kept-schedules.ts';
import type { Ledger } from './schedule/ledger.ts';
import { Scheduler } from './schedule/scheduler.ts';
import type { Scheduled, ScheduleOptions } from './schedule-api.ts';
import { StoredSchedules } from './schedule/stored-schedules.ts';
import { SCHEDULE_CLOSED, scheduleEntity, type ClosedSchedule } from './store/open-schedules.ts';
import type { Store } from './store/port.ts';

/** What key and time of a schedule add to an event, for bounds in bytes. */
const MARK_BYTES = 512;

/** `bus.schedule` and `bus.schedules`: events that are emitted later, once. */
export function createScheduling(core: Core): Pick<Bus, 'schedule' | 'schedules'> {
  const scheduler = startScheduler(core);
  return {
    schedule: (type, payload, options) =>
      scheduleFor(core, currentCause(), { type, payload, options }) as Promise<never>,
    schedules: {
      list: async () => {
        core.mustAnswer();
        return (await scheduler.list()).map(({ key, at, type }) => ({ key, at, type }));
      },
      cancel: (key) => cancelling(core, () => scheduler.cancelKey(key)),
    },
  };
}

const known = new WeakMap<Core, Scheduler>();

/** As `bus.schedule`, in the chain of `cause`. */
export function scheduleFor(core: Core, cause: Cause | undefined, asked: ScheduleAsked): Promise<Scheduled> {
  return core.watch(schedule(core, cause, asked), asked.type);
}

function startScheduler(core: Core): Scheduler {
  const { store, clock } = core.options;
  const ledger = (store ? storedSchedules(core, store) : keptSchedules(core)) as Ledger;
  const owner = {};
  const failed = (error: unknown, retryInMs: number): void => {
    const part = { owner, key: 'schedule', thing: 'the emission of scheduled events', about: { retryInMs } };
    core.reports.failed('$bus.schedule.failed', part, error, { warn: false });
  };
  // A bus for which nothing waits closes without waiting for anybody.
  let stops = false;
  const waits = (): void => {
    if (!stops) core.life.onShutDown(() => scheduler.stop());
    stops = true;
  };
  const scheduler = new Scheduler({ clock, ledger, failed, waits, emits: store?.supports.remote !== true });
  known.set(core, scheduler);
  core.life.onClose(() => void scheduler.stop());
  if (!store) core.life.forgets = () => ledger.size;
  // Where another process emits what is due, it is looked at when somebody asks.
  if (!store || store.supports.readOnly || store.supports.remote) return scheduler;
  runWithoutCause(() => scheduler.start());
  // Others set and close schedules as well: workers, and processes that share the log.
  core.life.onClose(
    store.onCommit((events) => {
      if (events.some(({ type }) => type.startsWith('$schedule.'))) void scheduler.refresh();
    }),
  );
  return scheduler;
}

async function cancelling(core: Core, cancel: () => Promise<boolean>): Promise<boolean> {
  mustNotBeCaptured('`cancel` of a schedule');
  mustNotBeHeld('`cancel` of a schedule');
  core.mustAccept(currentCause());
  return runWithoutCause(cancel);
}

export interface ScheduleAsked {
  readonly type: string;
  readonly payload: unknown;
  readonly options: ScheduleOptions;
}

async function schedule(core: Core, cause: Cause | undefined, asked: ScheduleAsked): Promise<Scheduled> {
  const { type, payload, options } = asked;
  const { at, key: given, ...about } = parseSchedule(core, options);
  const scheduler = known.get(core)!;
  mustNotBeHeld(`schedule of \`${type}\``, cause);
  // Its id is what it will have: a retry of the emission finds it.
  const accepted = core.admit(cause, type, payload, { id: core.newId(), ...about }, { silent: true });
  // Whoever schedules the same event again replaces what waits.
  const key = given ?? accepted.event.id;
  const scheduled = { key, at, event: accepted.event };
  if ('dropped' in accepted) return { ...scheduled, dropped: accepted.dropped, cancel: async () => false };
  if (captured(cause, accepted)) return { ...scheduled, cancel: async () => false };
  if (accepted.transient && core.options.store)
    throw new TelltaleError('INVALID_OPTION', `what is scheduled is stored, \`${type}\` is transient`);
  if (about.id !== undefined && (await isStored(core.options.store, accepted.event)))
    return { ...scheduled, duplicate: true, cancel: async () => false };
  const waiting = await runWithoutCause(() => scheduler.set(key, at, accepted));
  return { ...scheduled, cancel: () => cancelling(core, () => scheduler.cancel(waiting)) };
}

/** Throws `EVENT_CONFLICT` where something else is stored under its id. */
async function isStored(store: Store | undefined, event: TelltaleEvent): Promise<boolean> {
  const stored = (await store?.find([event.id]))?.get(event.id);
  if (!stored || stored.hash === contentHash(event)) return stored !== undefined;
  const text = `event ${event.id} is stored with other content; schedule it under another id`;
  throw new TelltaleError('EVENT_CONFLICT', text, { details: { id: event.id, position: stored.position } });
}

type Parsed = Omit<ScheduleOptions, 'at' | 'after'> & { readonly at: number };

const OF_THE_EMISSION = ['time', 'transient'];
const KNOWN = ['at', 'after', 'key', ...EVENT_OPTIONS.filter((name) => !OF_THE_EMISSION.includes(name))];

/** Throws `INVALID_OPTION`, `INVALID_TIME`, `INVALID_DURATION`. */
function parseSchedule({ options: { clock } }: Core, given: unknown): Parsed {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw expected('INVALID_OPTION', 'the options of `schedule`', "an object such as { after: '10m' }", given);
  const { at, after, ...about } = given as ScheduleOptions;
  for (const name of OF_THE_EMISSION)
    if (name in about)
      throw new TelltaleError(
        'INVALID_OPTION',
        `\`schedule\` takes no \`${name}\`; the event's time is when it is emitted`,
      );
  mustKnow(given, KNOWN, 'schedule');
  if ((at === undefined) === (after === undefined))
    throw new TelltaleError('INVALID_OPTION', '`schedule` needs `at`, a time, or `after`, a duration, and not both');
  const { key } = about;
  if (key !== undefined && !isId(key))
    throw expected('INVALID_OPTION', '`key` of schedule', 'a well-formed string of 1 to 256 bytes', key);
  return { ...about, at: at === undefined ? clock.now() + toMs(after!, 'after') : toTime(at) };
}

function keptSchedules(core: Core): KeptSchedules {
  return new KeptSchedules({
    asOfNow: ({ event, bytes, transient, admitted }, { key, at }) => {
      const metadata = Object.freeze({ ...event.metadata, $schedule: { key, at } });
      // Where the caller gave no time, it is when the event is emitted.
      const time = core.options.clock.now();
      return new Envelope(Object.freeze({ ...event, time, metadata }), bytes, transient, admitted, NO_CHAIN, core);
    },
    emit: (envelope) => core.carrier.carry(envelope, true),
  });
}

function storedSchedules(core: Core, store: Store): StoredSchedules {
  const present = presenterOf(core);
  const owner = {};
  return new StoredSchedules({
    store,
    storeSet: (...what) => storeSet(core, ...what),
    eventOf: (set) => dueEnvelope(core, present(dueOf(set, core.options.clock.now()) as StoredEvent)),
    storeClosed: async (closed, revision, due) => {
      const envelope = closedEnvelope(core, closed, due);
      if (due) return core.carrier.commit([envelope, due], revision, false);
      return receiptOfCarried(core.carrier, envelope, { fresh: false, expect: revision });
    },
    refused: ({ key, at, type: eventType }, error) => {
      const part = { owner, key, thing: 'the emission of a scheduled event', about: { key, at, eventType } };
      core.reports.failed('$bus.schedule.refused', part, error, { warn: false });
    },
  });
}

async function storeSet(core: Core, key: string, at: number, due: Envelope): Promise<StoredEvent> {
  const event = setOf(due.event, { key, at, id: core.newId(), now: core.options.clock.now() });
  const envelope = new Envelope(event, due.bytes + MARK_BYTES, false, due.admitted, due.chain, core);
  const { position, revisions, storedAt } = await receiptOfCarried(core.carrier, envelope, { fresh: true });
  return { ...event, position, revision: revisions[0]!, storedAt };
}

/** Its chain begins anew: what a schedule brings about is no loop within a second. */
function dueEnvelope(core: Core, event: StoredEvent): Envelope {
  const bytes = JSON.stringify(event).length + MARK_BYTES;
  return new Envelope(deepFrozen(event), bytes, false, true, NO_CHAIN, core);
}

function closedEnvelope(core: Core, closed: ClosedSchedule, due: Envelope | undefined): Envelope {
  const { key, set, as, eventId } = closed;
  // The same for all who try, so that a second one is a duplicate.
  const id = derivedId('schedule', eventId, set, as);
  const chain = due && { correlationId: due.event.correlationId };
  const about = { id, entity: scheduleEntity(key), ...chain };
  return core.makeOwn(undefined, SCHEDULE_CLOSED, closed, about);
}
