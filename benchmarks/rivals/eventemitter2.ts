import eventemitter2 from 'eventemitter2';
import type { EmitRival } from './emit-rival.ts';

export function eventEmitter2(): EmitRival {
  const emitter = new eventemitter2.EventEmitter2({ wildcard: true, maxListeners: 0 });
  return {
    name: 'eventemitter2',
    subscribe: (listener) => void emitter.on('task.*', listener),
    emit: (message) => void emitter.emit('task.created', message),
  };
}
