import cluster from 'node:cluster';
import { TelltaleError, connectBus, expected } from '../../lib/plugin.ts';
import type { Bus, ConnectOptions, EventDeclarations, PayloadsOf } from '../../lib/plugin.ts';
import { ChannelTransport, type Channel } from './transport.ts';

/** What the bus of a child process takes. */
export interface ConnectToParentOptions<Events = unknown> extends ConnectOptions<Events> {
  /** What becomes of this process when its parent dies: its handlers end and it exits with code 1, or it goes on. @default 'exit' */
  readonly orphaned?: 'exit' | 'stay';
}

/**
 * The bus of a child process: its parent's, seen from here. What is subscribed here is handed over by the parent, what
 * is emitted here is emitted and stored there; `publish` resolves with the real receipt, and questions of the log are
 * asked of the parent's store. Rejects with `LINK_BROKEN` outside of a child process, `TIMEOUT` where the parent does
 * not connect, `SCHEMA_CONFLICT` where it declares a type otherwise, and as `createBus` does.
 */
export async function connectToParent<const D extends EventDeclarations>(
  options: ConnectToParentOptions<D> & { readonly events: D },
): Promise<Bus<PayloadsOf<D>>>;
export async function connectToParent(options?: ConnectToParentOptions): Promise<Bus>;
export async function connectToParent({ orphaned = 'exit', ...options }: ConnectToParentOptions = {}): Promise<Bus> {
  if (orphaned !== 'exit' && orphaned !== 'stay')
    throw expected('INVALID_OPTION', '`orphaned` of connectToParent', "'exit' or 'stay'", orphaned);
  let bus: Bus | undefined;
  const { worker } = cluster;
  const transport = new ChannelTransport(channelToParent(), {
    // Ends the servers of a cluster's worker first.
    ...(worker && { disconnect: () => void worker.disconnect() }),
    reason: () => {
      if (orphaned === 'exit' && bus) void leave(bus);
      return new Error('the parent process is gone');
    },
  });
  const died = (error: unknown): void => transport.sayLast(error);
  // Stays where it cannot connect: that is what most of these processes then die of.
  process.on('uncaughtExceptionMonitor', died);
  try {
    bus = await connectBus(transport, options);
    return bus;
  } catch (error) {
    transport.end();
    throw error;
  }
}

function channelToParent(): Channel {
  if (!process.connected)
    throw new TelltaleError(
      'LINK_BROKEN',
      'connectToParent is for child processes that connectProcesses or fork has started; this one has no channel to a parent',
    );
  return process as NodeJS.Process & Channel;
}

async function leave(bus: Bus): Promise<never> {
  // Nothing can be stored without the parent: the exit code tells whoever watches this process.
  await bus.close().catch(() => undefined);
  process.exit(1);
}
