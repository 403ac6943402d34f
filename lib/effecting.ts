import type { Settle } from './carrier.ts';
import type { Core } from './core.ts';
import { readEvent } from './correlation/read.ts';
import { Effects, EFFECT_DONE, type EffectDone } from './effect/effects.ts';
import { TelltaleError } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { Store } from './store/port.ts';

const MAX_RESULT_BYTES = 3 * 1024 * 1024;

const known = new WeakMap<Core, Effects>();

/** The effects of a bus: one object for all of its handlers, so that calls of one effect share one run. */
export function effectsOf(core: Core): Effects {
  let effects = known.get(core);
  if (!effects) known.set(core, (effects = createEffects(core)));
  return effects;
}

function createEffects(core: Core): Effects {
  const { options, carrier } = core;
  const { store } = options;
  const maxEventBytes = Math.min(options.maxEventBytes, store?.supports.maxEventBytes ?? Infinity);
  return new Effects({
    maxResultBytes: Math.min(MAX_RESULT_BYTES, maxEventBytes / 2),
    isKept: ({ transient }) => store !== undefined && !transient,
    mustTake: (envelope) => {
      core.mustAccept(envelope, true);
      const full = options.onStoreFailure === 'refuse' || store?.supports.readOnly ? carrier.full(1, 0) : undefined;
      if (full) throw full;
    },
    find: (id) => findDone(store!, id),
    findAny: (eventId, name) => findAny(store!, eventId, name),
    record: (id, done, cause) => record(core, id, done, cause),
  });
}

async function findDone(store: Store, id: string): Promise<EffectDone | undefined> {
  const event = await readEvent(store, id);
  if (event) return event.payload as EffectDone;
  if (!(await store.find([id])).has(id)) return undefined;
  throw new TelltaleError(
    'EVENTS_REMOVED',
    `the result of effect ${id} was removed; the effect is not carried out again`,
  );
}

async function findAny(store: Store, eventId: string, name: string): Promise<readonly EffectDone[]> {
  const found: EffectDone[] = [];
  for await (const { payload } of store.read({ causationId: eventId, types: [EFFECT_DONE] }))
    if ((payload as EffectDone).name === name) found.push(payload as EffectDone);
  return found;
}

/** Whatever the result, the content is the same: who comes second is answered with the first. */
async function record(core: Core, id: string, done: EffectDone, cause: Envelope): Promise<EffectDone> {
  const replay = cause.inherited?.['$replay'];
  const metadata = { $content: id, ...(replay !== undefined && { $replay: replay }) };
  const envelope = core.makeOwn(cause, EFFECT_DONE, done, { id, metadata });
  const outcome = await new Promise<Parameters<Settle>[0]>((settle) => {
    core.carrier.carry(envelope, false, undefined, settle);
  });
  if ('error' in outcome) throw outcome.error;
  if (outcome.status === 'unstored') return done;
  const store = core.options.store!;
  // A write that was tried twice calls itself the first, also where another process was faster.
  const isFirst = !outcome.receipt.duplicate && !store.supports.shared;
  return isFirst ? done : ((await findDone(store, id)) ?? done);
}
