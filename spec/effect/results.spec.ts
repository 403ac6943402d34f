import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { TelltaleError } from '../../lib/errors.ts';
import { createTestBus } from '../../lib/testing.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { turn } from '../support/turns.ts';

const nested = (depth: number): unknown => {
  let inner: unknown = 1;
  for (let i = 0; i < depth; i++) inner = { of: inner };
  return inner;
};

/** What a handler sees of one effect at its first attempt and, at the second, from what is kept. */
async function seenTwice(result: () => unknown, options: Parameters<typeof createTestBus>[0] = {}) {
  const { bus, clock } = await createTestBus(options);
  bus.on('$bus.handler.failed', () => undefined);
  const seen: unknown[] = [];
  let runs = 0;
  bus.on(
    'a',
    async (_, { effect, attempt }) => {
      try {
        seen.push(
          await effect('x', () => {
            runs++;
            return result();
          }),
        );
      } catch (error) {
        seen.push(error);
      }
      if (attempt === 1) throw new Error('again');
    },
    { retry: { attempts: 2, delay: 1 } },
  );
  bus.emit('a', null);
  while (seen.length < 2) {
    await turn();
    await clock.advance(1_000);
  }
  await bus.settled();
  await bus.close();
  return { seen, runs };
}

describe('the result of an effect', () => {
  it('is frozen from the first time on, whatever the store', async () => {
    const folder = await mkdtemp(join(quickFolder(), 'telltale-effect-'));
    for (const options of [{}, { store: memory() }, { store: jsonFile(folder) }]) {
      const { seen } = await seenTwice(() => ({ items: [1] }), options);
      for (const one of seen as { items: number[] }[]) {
        expect(one).to.deep.equal({ items: [1] });
        expect([Object.isFrozen(one), Object.isFrozen(one.items)]).to.deep.equal([true, true]);
      }
    }
    await rm(folder, { recursive: true });
  });

  it('may be as deep and as large as a payload', async () => {
    const deep = nested(99);
    const large = { text: 'x'.repeat(7_900_000) };
    for (const value of [deep, large]) {
      const { seen, runs } = await seenTwice(() => value, { store: memory() });
      expect(JSON.stringify(seen[0]) === JSON.stringify(value)).to.equal(true);
      expect(JSON.stringify(seen[1]) === JSON.stringify(value)).to.equal(true);
      expect(runs).to.equal(1);
    }
  });

  it('is refused by name where it is deeper or larger, and not carried out again by the retry', async () => {
    for (const [value, code] of [
      [nested(100), 'PAYLOAD_TOO_DEEP'],
      ['x'.repeat(100_000), 'PAYLOAD_TOO_LARGE'],
      [{ at: new Date(0), text: 'x'.repeat(100_000) }, 'PAYLOAD_TOO_LARGE'],
      [Array.from({ length: 30_000 }, () => () => 1), 'PAYLOAD_TOO_LARGE'],
    ] as const) {
      const { seen, runs } = await seenTwice(() => value, { store: memory(), maxEventBytes: 100_000 });
      for (const error of seen as TelltaleError[]) {
        expect(error.code).to.equal(code);
        expect(error.message).to.match(/^effect `x` was carried out, but its result cannot be kept: .*payload\.result/);
      }
      expect([seen.length, runs]).to.deep.equal([2, 1]);
    }
  });
});
