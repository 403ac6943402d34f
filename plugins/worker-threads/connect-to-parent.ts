import { parentPort, type MessagePort } from 'node:worker_threads';
import { TelltaleError, connectBus, toMs } from '../../lib/plugin.ts';
import type { Bus, ConnectOptions, EventDeclarations, PayloadsOf } from '../../lib/plugin.ts';
import { portTransport, type Handshake } from './transport.ts';

const DEFAULT_TIMEOUT = '30s';

/**
 * The bus of a worker thread: its parent's, seen from here. What is subscribed here is handed over by the parent, what
 * is emitted here is emitted and stored there; `publish` resolves with the real receipt, and questions of the log are
 * asked of the parent's store. Rejects with `LINK_BROKEN` outside of a worker, `TIMEOUT` where the parent does not
 * connect, `SCHEMA_CONFLICT` where it declares a type otherwise, and as `createBus` does.
 */
export async function connectToParent<const D extends EventDeclarations>(
  options: ConnectOptions<D> & { readonly events: D },
): Promise<Bus<PayloadsOf<D>>>;
export async function connectToParent(options?: ConnectOptions): Promise<Bus>;
export async function connectToParent(options: ConnectOptions = {}): Promise<Bus> {
  const port = parentPort;
  if (!port)
    throw new TelltaleError(
      'LINK_BROKEN',
      'connectToParent is for scripts of worker threads; here is the main thread, whose bus createBus makes',
    );
  const { connectTimeout = DEFAULT_TIMEOUT } = options;
  const own = await handshake(port, toMs(connectTimeout, 'connectTimeout'));
  try {
    return await connectBus(portTransport(own), options);
  } catch (error) {
    own.close();
    throw error;
  }
}

function handshake(port: MessagePort, timeoutMs: number): Promise<MessagePort> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      port.off('message', listen);
      const text = `no parent has connected within ${timeoutMs} ms: start this worker with connectWorkers, or call connectWorker`;
      reject(new TelltaleError('TIMEOUT', text));
    }, timeoutMs);
    const listen = (message: unknown): void => {
      if (!isHandshake(message)) return;
      port.off('message', listen);
      clearTimeout(timer);
      resolve(message['telltale:link']);
    };
    port.on('message', listen);
  });
}

function isHandshake(message: unknown): message is Handshake {
  return typeof message === 'object' && message !== null && 'telltale:link' in message;
}
