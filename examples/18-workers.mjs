// Workers: two threads share the events of a bus, emit into it and answer it; one of them meets an event that kills.
import { createBus, memory } from 'telltale';
import { connectWorkers } from 'telltale/plugins/worker-threads';

const bus = await createBus({ source: 'main', store: memory() });
const script = new URL('18-workers/worker.mjs', import.meta.url);
const pool = connectWorkers(bus, { script, size: 2, name: 'reader', restart: { delay: 10 } });
await pool.ready;

// Each file goes to one of the two; what they emit arrives here, caused by the event they handled.
for (const file of ['a.ts', 'bb.ts', 'ccc.ts']) bus.emit('file.found', { file }, { correlationId: 'scan-1' });
const { events } = await bus.join('scan-1', { 'file.parsed': 3 });
const files = events.map(({ payload }) => payload.file);
console.log('parsed:', files.map(String).toSorted().join(' '));
const [cause] = await bus.causes(events[0].id);
console.log('caused by:', cause.type, cause.payload.file === files[0]);

// A question goes to a worker that answers it; its own question comes back to whoever answers that here.
bus.answer('word.banned', ({ payload }) => payload === 'foo');
console.log('asked:', await bus.ask('text.checked', 'foo bar'));

// An event that ends the thread it is handled in: a second one tries, then it is a dead letter, and the rest goes on.
bus.on('$worker.died', ({ payload }) => console.log(`a ${payload.pool} died`));
bus.on('$bus.handler.failed', () => console.log('given up'));
for (const file of ['poison.ts', 'dddd.ts']) bus.emit('file.found', { file });
await bus.settled();
const [{ error }] = await bus.deadLetters.list();
console.log(`letter: ${error.code}, parsed all in all: ${await bus.count({ type: 'file.parsed' })}`);
await bus.close();
console.log(
  'workers:',
  pool
    .workers()
    .map(({ status }) => status)
    .join(' '),
);
