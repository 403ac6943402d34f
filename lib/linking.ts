import { asksOf } from './asking.ts';
import { runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { expected } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { SchemaRegistry } from './event/schema-registry.ts';
import type { BusPort } from './link/bus-port.ts';
import type { TypeInfo } from './link/frames.ts';
import { describeSchema } from './schemas/kept-schemas.ts';
import { Subscription } from './router/subscription.ts';

const cores = new WeakMap<object, Core>();
let told = 0;

/** Lets `linkPortOf` find what is behind a bus. */
export function registerBus(bus: object, core: Core): void {
  cores.set(bus, core);
}

/** All that a link to another thread or process needs of a bus. Throws `INVALID_OPTION` for anything but a bus. */
export function linkPortOf(bus: unknown): BusPort {
  const core = typeof bus === 'object' && bus !== null ? cores.get(bus) : undefined;
  if (!core) throw expected('INVALID_OPTION', '`bus`', 'a bus that createBus has made', bus);
  const { options, router, dispatcher, carrier, life, counters, reports } = core;
  const { source, clock, store, closeTimeoutMs, maxEventBytes } = options;
  return {
    source,
    owner: core,
    clock,
    store,
    closeTimeoutMs,
    maxEventBytes,
    types: () => describeTypes(core.schemas),
    mustBeOpen: () => core.mustAccept(undefined),
    hear: (terms) => router.subscribe({ ...terms, handler: () => undefined }).undo,
    heard: (type, skips) =>
      router
        .targets(type)
        .some((target) => !(target instanceof Subscription && target.options.link && skips(target.options.link))),
    onJoin: (listener) => router.onJoin(listener),
    giveToGroup: (envelope, pattern, group) => {
      const takers = router.recipients(envelope.event.type, pattern, group).filter((one) => one.wants(envelope.event));
      for (const taker of takers) taker.again(envelope);
      return takers.length > 0;
    },
    room: (bytes) => dispatcher.room(bytes, false),
    whenRoom: (bytes, enter) => void dispatcher.whenRoom(bytes, enter),
    full: (events, bytes) => carrier.full(events, bytes),
    carry: (envelope, fresh, expect, settle) => runWithoutCause(() => carrier.carry(envelope, fresh, expect, settle)),
    commit: (envelopes, expect, fresh) => carrier.commit(envelopes, expect, fresh),
    answeredTypes: () => asksOf(core).types,
    onAnswerers: (listener) => void asksOf(core).onTypes(listener),
    answer: (type, answerer) => asksOf(core).answer(type, answerer),
    askElsewhere: (answerer) => {
      asksOf(core).elsewhere = answerer;
    },
    receive: (request, terms, replies, from) => asksOf(core).receive(request, terms, replies, from),
    // Each under a key of its own: none is summed up with another.
    report: (type, about) => runWithoutCause(() => reports.say(type, String(++told), { ...about })),
    notice: (say) => life.notice(say),
    fault: (fails) => life.fault(fails),
    onClose: (drain, end) => {
      const undo = [life.onSettled(drain), life.onStored(end)];
      return () => {
        for (const step of undo) step();
      };
    },
    linkTo: (link) => router.linkTo(link),
    uplink: (tell) => {
      carrier.uplink = (envelope: Envelope) => tell(envelope);
    },
    onLeave: (leave) => void life.onShutDown(leave),
    countLost: (type) => counters.dropTransient(type),
  };
}

/** What is declared, for the other side to compare. */
export async function describeTypes(schemas: SchemaRegistry): Promise<readonly TypeInfo[]> {
  const described = schemas.list().map(async ({ type, version, transient }): Promise<TypeInfo> => {
    const [registered] = schemas.registered(type, version);
    const hash = registered && (await describeSchema(registered, 0)).hash;
    return { type, version, transient, ...(hash !== undefined && { hash }) };
  });
  return Promise.all(described);
}
