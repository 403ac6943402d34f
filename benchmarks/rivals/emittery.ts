import Emittery from 'emittery';
import type { EmitRival } from './emit-rival.ts';

export function emittery(): EmitRival {
  const emitter = new Emittery<{ 'task.created': unknown }>();
  return {
    name: 'emittery, awaited',
    subscribe: (listener) => void emitter.on('task.created', listener),
    emit: (message) => emitter.emit('task.created', message),
  };
}
