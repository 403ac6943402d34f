import { createBus } from '../../lib/index.ts';
import type { EmitRival } from './emit-rival.ts';

/** Ours behind the rivals' interface: a live bus without a store. */
export async function telltaleBus(payload: 'copy' | 'trust'): Promise<EmitRival> {
  const bus = await createBus({ source: 'benchmark', payload });
  return {
    name: 'telltale',
    subscribe: (listener) => void bus.on('task.*', listener),
    emit: (message) => void bus.emit('task.created', message),
    close: () => bus.close(),
  };
}
