import { runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { readEvent } from './correlation/read.ts';
import { Effects, EFFECT_DONE, type EffectName } from './effect/effects.ts';
import type { EffectDone } from './effect/results.ts';
import { TelltaleError } from './errors.ts';
import type { Admitted } from './event/admission.ts';
import { carried } from './receipts.ts';
import { deepFrozen } from './event/deep-frozen.ts';
import type { Envelope } from './event/envelope.ts';
import type { Store } from './store/port.ts';

/** What the envelope of `$effect.done` takes of the largest event. */
const ENVELOPE_BYTES = 2048;

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
  const effects: Effects = new Effects({
    maxBytes: maxEventBytes - ENVELOPE_BYTES,
    isKept: ({ transient }) => store !== undefined && !transient,
    mustTake: (envelope) => {
      core.mustAccept(envelope, true);
      const full = options.onStoreFailure === 'refuse' || store?.supports.readOnly ? carrier.full(1, 0) : undefined;
      if (full) throw full;
    },
    find: (id) => findDone(store!, id),
    findAny: (eventId, name) => findAny(store!, eventId, name),
    record: (id, done, cause) => record(core, id, done, cause),
    unheard: (effect, error) => unheard(core, effects, effect, error),
    ended: () => core.life.wake(),
  });
  core.life.working.add({
    name: 'effects',
    get load() {
      return effects.load;
    },
    // A handler that waits for its effect counts by itself.
    cut: () => ({ cut: 0, stillRunning: effects.left }),
  });
  return effects;
}

function unheard(core: Core, owner: Effects, { recipient, envelope, name }: EffectName, error: unknown): void {
  if (core.life.accepting === 'none') return;
  const { id: eventId, type: eventType, correlationId } = envelope.event;
  const about = { recipient, name, eventId, eventType, correlationId };
  const part = { owner, key: `${recipient} ${name}`, thing: `effect \`${name}\`, which nobody awaits,`, about };
  runWithoutCause(() => core.reports.failed('$bus.effect.failed', part, error));
}

async function findDone(store: Store, id: string): Promise<EffectDone | undefined> {
  const event = await readEvent(store, id);
  if (event) return deepFrozen(event.payload as EffectDone);
  if (!(await store.find([id])).has(id)) return undefined;
  throw new TelltaleError(
    'EVENTS_REMOVED',
    `the result of effect ${id} was removed; the effect is not carried out again`,
  );
}

async function findAny(store: Store, eventId: string, name: string): Promise<readonly EffectDone[]> {
  const found: EffectDone[] = [];
  for await (const { payload } of store.read({ causationId: eventId, types: [EFFECT_DONE] }))
    if ((payload as EffectDone).name === name) found.push(deepFrozen(payload as EffectDone));
  return found;
}

/** Whatever the result, the content is the same: who comes second is answered with the first. */
async function record(core: Core, id: string, admitted: Admitted, cause: Envelope): Promise<EffectDone> {
  const done = admitted.value as unknown as EffectDone;
  const replay = cause.inherited?.['$replay'];
  const metadata = { $content: id, ...(replay !== undefined && { $replay: replay }) };
  const envelope = core.makeOwn(cause, EFFECT_DONE, done, { id, metadata }, admitted);
  const outcome = await carried(core.carrier, envelope, { fresh: false });
  if ('error' in outcome) throw outcome.error;
  if (outcome.status === 'unstored') return done;
  const store = core.options.store!;
  // A write that was tried twice calls itself the first, also where another process was faster.
  const isFirst = !outcome.receipt.duplicate && !store.supports.shared;
  return isFirst ? done : ((await findDone(store, id)) ?? done);
}
