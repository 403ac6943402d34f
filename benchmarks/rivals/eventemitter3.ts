import { EventEmitter } from 'eventemitter3';
import type { EmitRival } from './emit-rival.ts';

export function eventEmitter3(): EmitRival {
  const emitter = new EventEmitter();
  return {
    name: 'eventemitter3',
    subscribe: (listener) => void emitter.on('task.created', listener),
    emit: (message) => void emitter.emit('task.created', message),
  };
}
