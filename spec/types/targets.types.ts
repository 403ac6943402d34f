import type { Pool } from 'pg';
import type { Bus, CheckpointTarget, SynchronousTarget } from '../../lib/index.ts';
import { postgresTarget } from '../../plugins/postgres/index.ts';
import { sqliteTarget } from '../../plugins/sqlite/index.ts';

declare const bus: Bus;
declare const asynchronous: CheckpointTarget<{ readonly run: (sql: string) => Promise<number> }>;
declare const synchronous: SynchronousTarget<{ readonly run: (sql: string) => number }>;

/** Any handler will do. */
bus.consume('a', 'a', async (_, { tx }) => void (await tx.run('x')), { checkpointIn: asynchronous });
bus.consume('a', 'a', (_, { tx }) => tx.run('x'), { checkpointIn: asynchronous });

/** Only one that is done when it returns. */
bus.consume('a', 'a', (_, { tx }) => tx.run('x'), { checkpointIn: synchronous });
bus.consume('a', 'a', (_, { tx }) => void tx.run('x'), { checkpointIn: synchronous, onReset: (tx) => tx.run('x') });
bus.consume(
  'a',
  'a',
  (_, { tx }) => {
    tx.run('x');
  },
  { checkpointIn: synchronous },
);
bus.consume('a', 'a', ({ length }, { tx }) => void tx.run(String(length)), { checkpointIn: synchronous, batch: {} });
// @ts-expect-error -- a Promise
bus.consume('a', 'a', async (_, { tx }) => void tx.run('x'), { checkpointIn: synchronous });
// @ts-expect-error -- a Promise
bus.consume('a', 'a', async (_, { tx }) => void tx.run('x'), { checkpointIn: synchronous, batch: {} });
// @ts-expect-error -- a Promise
bus.consume('a', 'a', () => 1, { checkpointIn: synchronous, onReset: async (tx) => void tx.run('x') });

const views = sqliteTarget('./views.db', { setup: ({ run }) => run('CREATE TABLE IF NOT EXISTS a (n)') });
bus.consume('a', 'a', ({ position }, { tx: { run } }) => run('INSERT INTO a VALUES (?)', [position]), {
  checkpointIn: views,
  onReset: ({ run }) => run('DELETE FROM a'),
});
// @ts-expect-error -- a Promise
sqliteTarget('./views.db', { setup: async ({ run }) => void run('CREATE TABLE a (n)') });
// @ts-expect-error -- no such option
sqliteTarget('./views.db', { readOnly: true });

declare const pool: Pool;
bus.consume('a', 'a', async ({ position }, { tx: { run } }) => run('INSERT INTO a VALUES ($1)', [position]), {
  checkpointIn: postgresTarget(pool),
  onReset: async ({ run }) => run('DELETE FROM a'),
});
// @ts-expect-error -- no pool
postgresTarget({ connect: 1 });
