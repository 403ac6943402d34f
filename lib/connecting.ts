import type * as Api from './api.ts';
import { systemClock } from './clock.ts';
import { toMs, type Duration } from './duration.ts';
import { TelltaleError, toError } from './errors.ts';
import { defineEvents, type EventDeclarations, type PayloadsOf } from './event/define-events.ts';
import { SchemaRegistry } from './event/schema-registry.ts';
import { describeTypes, linkPortOf } from './linking.ts';
import { ProxyStore } from './link/proxy-store.ts';
import type { Transport } from './link/transport.ts';
import { Uplink } from './link/uplink.ts';
import type { BusOptions } from './options.ts';

/** What the bus of a worker takes: that of any bus, but for what its parent decides. */
export interface ConnectOptions<Events = unknown> extends Omit<
  BusOptions<Events>,
  'store' | 'sinks' | 'retention' | 'cache' | 'onStoreFailure' | 'deadLetters'
> {
  /** Who the events of this bus come from. @default the parent's source, `/`, and the worker's name */
  readonly source?: string;
  /** How long the parent may take to answer. @default '30s' */
  readonly connectTimeout?: Duration;
}

/** Any bus, whatever it declares. */
export type LinkedBus = Pick<Api.Bus, 'source' | 'close'>;

/** What a worker must leave to its parent. */
const OF_THE_PARENT = ['store', 'sinks', 'retention', 'cache', 'onStoreFailure', 'deadLetters'] as const;

/**
 * The bus of a worker, over a transport to its parent. Rejects with `INVALID_OPTION`, `SCHEMA_CONFLICT`, `LINK_BROKEN`,
 * and `TIMEOUT` where nobody answers.
 */
export async function connectBus<const D extends EventDeclarations>(
  transport: Transport,
  options: ConnectOptions<D> & { readonly events: D },
): Promise<Api.Bus<PayloadsOf<D>>>;
export async function connectBus(transport: Transport, options?: ConnectOptions): Promise<Api.Bus>;
export async function connectBus(transport: Transport, options: ConnectOptions = {}): Promise<Api.Bus> {
  const { connectTimeout = '30s', ...given } = options;
  const timeoutMs = toMs(connectTimeout, 'connectTimeout');
  mustLeave(given);
  const clock = given.clock ?? systemClock;
  const schemas = new SchemaRegistry();
  if (given.events) schemas.declare(defineEvents(given.events as EventDeclarations));
  const uplink = new Uplink(transport, clock);
  const introduced = async (): Promise<void> => uplink.introduce(await describeTypes(schemas));
  await within(introduced(), (late) => clock.wait(timeoutMs, () => late(timedOut(timeoutMs))));
  const offer = await uplink.offer;
  const store = new ProxyStore(`of ${offer.source}`, {
    supports: offer.store,
    append: (append, terms) => uplink.append(append, terms),
    call: (method, args) => uplink.call(method, args),
    watch: () => uplink.watch(),
    closed: () => uplink.closed(),
  });
  // Behind the door for plugins stands no bus: a store has no use for one, and it is most of what there is to load.
  const { createBus } = await import('./bus.ts');
  const bus = await createBus({ source: `${offer.source}/${offer.name}`, ...given, store });
  // Nobody here has asked for it, so nobody else would hear of what is not stored.
  uplink.onDrain = () => void bus.close().catch((error: unknown) => process.emitWarning(toError(error)));
  await uplink.attach(linkPortOf(bus), store);
  return bus;
}

function mustLeave(given: object): void {
  for (const name of OF_THE_PARENT) {
    if (!(name in given)) continue;
    const text = `\`${name}\` is not an option of a worker's bus: its parent stores, keeps and clears away for it`;
    throw new TelltaleError('INVALID_OPTION', text, { details: { option: name } });
  }
}

async function within(work: Promise<void>, start: (late: (error: Error) => void) => () => void): Promise<void> {
  let stop: (() => void) | undefined;
  const timeout = new Promise<never>((_, reject) => (stop = start(reject)));
  try {
    await Promise.race([work, timeout]);
  } finally {
    stop?.();
  }
}

function timedOut(ms: number): TelltaleError {
  return new TelltaleError(
    'TIMEOUT',
    `no parent has answered within ${ms} ms: was this worker started by connectWorkers?`,
  );
}
