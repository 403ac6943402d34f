import { EventEmitter } from 'node:events';
import type { EmitRival } from './emit-rival.ts';

export function nodeEvents(): EmitRival {
  const emitter = new EventEmitter().setMaxListeners(0);
  return {
    name: 'node:events',
    subscribe: (listener) => void emitter.on('task.created', listener),
    emit: (message) => void emitter.emit('task.created', message),
  };
}
