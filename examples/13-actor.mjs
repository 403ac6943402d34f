// An actor for each conversation: it remembers what was said, answers, and handles one event after the other.
import { setTimeout as wait } from 'node:timers/promises';
import { createBus } from 'telltale';

const bus = await createBus({ source: 'chat' });
bus.on('token', ({ payload }) => console.log('  …', payload));

const conversations = bus.actor('conversation', {
  initial: [],
  key: 'payload.with',
  receive: async (said, { type, payload }, { emit, answer }) => {
    if (type === 'history.asked') return answer(said.join(' | '));
    for (const word of payload.text.split(' ')) {
      await wait(1);
      emit('token', `${payload.with}: ${word}`, { transient: true });
    }
    return [...said, payload.text];
  },
});

conversations.tell('message.sent', { with: 'Ada', text: 'good morning' });
conversations.tell('message.sent', { with: 'Ada', text: 'any news?' });
await bus.settled();
conversations.tell('message.sent', { with: 'Bob', text: 'hello' });
console.log('Ada said:', await conversations.ask('history.asked', { with: 'Ada' }));
console.log('Bob said:', await conversations.ask('history.asked', { with: 'Bob' }));
await bus.settled();
console.log(
  conversations
    .instances()
    .map(({ key, status }) => `${key} is ${status}`)
    .join(', '),
);
await bus.close();
