import { expect } from 'chai';
import { z } from 'zod';
import { createBus, defineEvents, memory } from '../../lib/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';

describe('figures of the bus', () => {
  it('see what was emitted before the call', async () => {
    const bus = await createBus({ store: memory() });
    for (const ms of [10, 20, 90]) bus.emit('tool.used', { tool: 'grep', ms });
    const { rows } = await bus.summarize({ pattern: 'tool.*', by: 'payload.tool', avg: 'payload.ms' });
    expect(rows).to.deep.equal([{ key: ['grep'], count: 3, avg: 40 }]);
    expect((await bus.anomalies({ by: 'type' })).keys).to.equal(1);
    await bus.close();
  });

  it('pair what `record` writes, also where runs overlap and nest', async () => {
    const bus = await createBus({ store: memory() });
    const order: string[] = [];
    const run = (name: string, turns: number, inside?: () => Promise<void>): Promise<void> =>
      bus.record('tool', { name }, async () => {
        await inside?.();
        for (let i = 0; i < turns; i++) await Promise.resolve();
        order.push(name);
      });
    await bus.withContext({ correlationId: 'one' }, () =>
      Promise.all([run('long', 30), run('short', 1), run('outer', 2, () => run('inner', 5))]),
    );
    bus.emit('tool.started', { name: 'hung' });
    const { count, pairs, unfinished } = await bus.durations({ start: 'tool.started', end: 'tool.finished' });
    expect([count, unfinished.count, order.at(-1)]).to.deep.equal([4, 1, 'long']);
    for (const { start, end } of pairs) expect((await bus.causes(end.id))[0]!.id).to.equal(start.id);
    await bus.close();
  });

  it('measure payloads in their current version', async () => {
    const events = defineEvents({
      'task.done': {
        version: 2,
        schema: z.object({ ms: z.number() }),
        upcast: { 1: (payload) => ({ ms: (payload as { seconds: number }).seconds * 1_000 }) },
      },
    });
    const bus = await createBus({ store: memory(), events });
    await bus.publish('task.done', { seconds: 2 } as never, { schemaVersion: 1 });
    await bus.publish('task.done', { ms: 500 });
    await bus.publish('task.done', { ms: 2_000 });
    expect((await bus.summarize({ sum: 'payload.ms' })).rows[0]!.sum).to.equal(4_500);
    const { pairs } = await bus.durations({ start: 'task.*', end: 'task.*', by: 'payload.ms' });
    expect(pairs.map(({ start, end }) => [start.position, end.position])).to.deep.equal([[1, 3]]);
    await bus.close();
  });

  it('need a store', async () => {
    const bus = await createBus();
    for (const ask of [() => bus.summarize(), () => bus.durations({ start: 'a', end: 'b' }), () => bus.anomalies()])
      expect((await rejectionOf(ask())).code).to.equal('STORE_REQUIRED');
    await bus.close();
  });
});
