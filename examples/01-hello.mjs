// Emit events, listen to them, and see that a handler which throws harms nobody else.
import { createBus } from 'telltale';

const bus = await createBus({ source: 'hello' });

bus.on('$bus.handler.failed', ({ payload }) => console.log(`a handler failed: ${payload.error.message}`));
bus.on('greeting.sent', () => {
  throw new Error('I do not like mornings');
});
bus.on('greeting.sent', ({ payload }) => {
  console.log(`${payload.text}, ${payload.to}!`);
  bus.emit('greeting.answered', { by: payload.to });
});
// What a handler emits knows what it came from.
bus.on('greeting.answered', ({ payload, causationId }) => console.log(`${payload.by} answers ${causationId}`));

const greeting = bus.emit('greeting.sent', { text: 'Hello', to: 'world' }, { id: 'greeting-1' });
await bus.settled();
const [letter] = await bus.deadLetters.list();
console.log(`kept for later: ${letter.eventId === greeting.id ? 'the greeting' : 'nothing'}, ${letter.error.message}`);
await bus.close();
