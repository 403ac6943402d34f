/**
 * A process that keeps a projection until it kills itself. Every third event fails until it has a dead letter, which is
 * tried again while the rest is handled. Arguments: folder, the kind of log, the handled event and the microtasks behind
 * its handler at which it dies (0 events: it goes on to the end).
 */
import { join } from 'node:path';
import { createBus, jsonFile } from '../../lib/index.ts';
import { sqlite, sqliteTarget } from '../../plugins/sqlite/index.ts';

const EVENTS = 120;
const [, , folder = '', log = '', dieAt = '0', microtasks = '0'] = process.argv;
const views = join(folder, 'views.db');
const bus = await createBus({ store: log === 'sqlite' ? sqlite(views) : jsonFile(join(folder, 'log')) });
const target = sqliteTarget(views, {
  setup: ({ run }) => run('CREATE TABLE IF NOT EXISTS seen (serial INTEGER PRIMARY KEY, n INTEGER)'),
});
const stored = await bus.count({ type: 'a' });
for (let n = stored + 1; n <= EVENTS; n++) bus.emit('a', n);
await bus.flush();

let handled = 0;
const mended = new Set((await bus.deadLetters.list({ limit: EVENTS })).map(({ position }) => position));
const consumer = bus.consume(
  'views',
  'a',
  ({ payload, position }, { tx, publish }) => {
    tx.run('INSERT INTO seen (n) VALUES (?)', [payload as number]);
    if (log === 'sqlite') void publish('b', payload);
    if (++handled === Number(dieAt)) void dieLater();
    if ((payload as number) % 3 === 0 && !mended.has(position)) throw new Error('not yet');
  },
  { checkpointIn: target, retry: false },
);
bus.on('$bus.handler.failed', () => undefined);
await consumer.started;
const retried = bus.deadLetters.retry({}, { limit: EVENTS });
await consumer.caughtUp();
await retried;
for (const { position } of await bus.deadLetters.list({ limit: EVENTS })) mended.add(position);
const { skipped, failed } = await bus.deadLetters.retry({}, { limit: EVENTS });
if (skipped + failed > 0) process.exitCode = 1;
await bus.close();
await target.close();

async function dieLater(): Promise<void> {
  for (let i = 0; i < Number(microtasks); i++) await Promise.resolve();
  process.kill(process.pid, 'SIGKILL');
}
