import { expect } from 'chai';
import { createBus, memory } from '../../lib/index.ts';

const EVENTS = 3_000;

describe('a consumer with many events', () => {
  const ways: Readonly<Record<string, { readonly key?: string; readonly concurrency?: number }>> = {
    'one after the other': {},
    'several at once': { concurrency: 8 },
    'with keys': { key: 'payload.k', concurrency: 8 },
  };
  for (const [name, options] of Object.entries(ways))
    it(`lets the event loop turn, and handles all of them: ${name}`, async () => {
      await using bus = await createBus({ store: memory() });
      for (let i = 0; i < EVENTS; i++) bus.emit('a.b', { i, k: i % 3 });
      await bus.flush();
      const seen: number[] = [];
      let most = 0;
      let before = 0;
      const look = (): void => {
        most = Math.max(most, seen.length - before);
        before = seen.length;
        if (seen.length < EVENTS) setImmediate(look);
      };
      setImmediate(look);
      const consumer = bus.consume(
        'c',
        'a.b',
        async ({ payload }) => void seen.push((payload as { i: number }).i),
        options,
      );
      await consumer.caughtUp();
      look();
      const all = Array.from({ length: EVENTS }, (_, i) => i);
      expect(seen.toSorted((a, b) => a - b)).to.deep.equal(all);
      if (options.concurrency === undefined) expect(seen).to.deep.equal(all);
      expect(most).to.be.below(600);
    });
});
