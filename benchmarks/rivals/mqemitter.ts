import createMqEmitter from 'mqemitter';
import type { EmitRival } from './emit-rival.ts';

export function mqEmitter(): EmitRival {
  const emitter = createMqEmitter();
  return {
    name: 'mqemitter',
    subscribe: (listener) =>
      void emitter.on('task/+', (message, done) => {
        listener(message['payload']);
        done();
      }),
    emit: (payload) => emitter.emit({ topic: 'task/created', payload }),
  };
}
