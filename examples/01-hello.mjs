// Emit events, listen to them, and see that a handler which throws harms nobody else.
import { createBus } from 'telltale';

const bus = await createBus({ source: 'hello' });

bus.on('$bus.handler.failed', ({ payload }) =>
  console.log(`a handler of ${payload.pattern} failed: ${payload.error.message}`),
);
bus.on('greeting.sent', () => {
  throw new Error('I do not like mornings');
});
bus.on('greeting.sent', ({ payload, id }) => {
  console.log(`${payload.text}, ${payload.to}!`);
  bus.emit('greeting.answered', { by: payload.to });
  return id;
});
// What a handler emits knows what it came from.
bus.on('greeting.answered', (event) =>
  console.log(`${event.payload.by} answers; cause known: ${event.causationId === greeting.id}`),
);

const greeting = await bus.publish('greeting.sent', { text: 'Hello', to: 'world' }).then(({ event }) => event);
await bus.settled();
console.log(`dead letters: ${(await bus.deadLetters.list()).length}`);
await bus.close();
