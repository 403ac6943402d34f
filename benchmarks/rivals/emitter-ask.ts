import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import Emittery from 'emittery';

/** One question and its answer, by whatever means a library has for that. */
export interface AskRival {
  readonly name: string;
  answer(handler: (payload: unknown) => unknown): void;
  ask(payload: unknown): Promise<unknown>;
  close?(): Promise<unknown>;
}

const TIMEOUT_MS = 5_000;

/** As everybody writes it over node:events: a correlation id, a listener for the reply, a timer. */
export function emitterAsk(): AskRival {
  const emitter = new EventEmitter();
  return {
    name: 'node:events, correlation id and timer',
    answer: (handler) =>
      void emitter.on('ask', ({ id, payload }: { id: string; payload: unknown }) =>
        emitter.emit(`reply ${id}`, handler(payload)),
      ),
    ask: (payload) =>
      new Promise((resolve, reject) => {
        const id = randomUUID();
        const reply = (value: unknown): void => {
          clearTimeout(timer);
          resolve(value);
        };
        const timer = setTimeout(() => {
          emitter.off(`reply ${id}`, reply);
          reject(new Error('timed out'));
        }, TIMEOUT_MS);
        emitter.once(`reply ${id}`, reply);
        emitter.emit('ask', { id, payload });
      }),
  };
}

/** The same over emittery, whose listeners run asynchronously; without a timer. */
export function emitteryAsk(): AskRival {
  const emitter = new Emittery<Record<string, unknown>>();
  return {
    name: 'emittery, correlation id',
    answer: (handler) =>
      void emitter.on('ask', (message) => {
        const { id, payload } = message as { id: string; payload: unknown };
        return emitter.emit(`reply ${id}`, handler(payload));
      }),
    ask: async (payload) => {
      const id = randomUUID();
      const reply = emitter.once(`reply ${id}`);
      void emitter.emit('ask', { id, payload });
      return reply;
    },
  };
}
