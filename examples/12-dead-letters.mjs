// Dead letters: an event whose handler failed is kept, looked at, and tried again when the cause is gone.
import { createBus, memory } from 'telltale';

const bus = await createBus({
  store: memory(),
  // Every minute, with growing pauses, five times; then the letter is abandoned, and waits for somebody.
  deadLetters: { retry: { every: '1m', attempts: 5 } },
});
// Without this, each failing subscription is told once as a process warning.
bus.on('$bus.handler.failed', () => undefined);

let mailServer = 'down';
bus.on('order.placed', ({ payload }) => {
  if (mailServer === 'down') throw new Error('mail server does not answer');
  console.log(`mail for order ${payload.order} sent`);
});
bus.on('order.placed', ({ payload }) => console.log(`order ${payload.order} counted`), { group: 'figures' });

for (const order of [1, 2, 3]) bus.emit('order.placed', { order });
await bus.flush();

for (const { reason, recipient, error } of await bus.deadLetters.list())
  console.log(`letter: ${reason}, for ${recipient}: ${error.message}`);

// Nobody waits for order 3 any more; the others are tried again now, each only with the handler that failed.
const [third] = await bus.deadLetters.list({ limit: 1 });
await bus.deadLetters.discard(third.id, { reason: 'cancelled by phone' });
mailServer = 'up';
const { closed, failed } = await bus.deadLetters.retry({ recipient: 'order.placed' });
console.log(`${closed} closed, ${failed} failed again`);

// A letter is never deleted: its state and its history say what became of it.
for (const { state, history } of await bus.deadLetters.list({ state: 'all' }))
  console.log(state, '-', history.map(({ attempt, reason }) => reason ?? `retry ${attempt}`).join(', '));
await bus.close();
