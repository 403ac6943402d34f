import { expect } from 'chai';
import fc from 'fast-check';
import { contentHash } from '../../lib/event/content-hash.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { hashInTurns } from '../../lib/store/hash-in-turns.ts';
import { buildEvent } from '../support/event-builder.ts';

const withPayload = (payload: unknown): TelltaleEvent => ({ ...buildEvent({ entity: 'task/1' }), payload });

describe('hashInTurns', () => {
  it('is the hash of the content, whatever that is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()), async (payload, metadata) => {
        const event = { ...withPayload(payload), metadata };
        expect(await hashInTurns(event)).to.equal(contentHash(event));
      }),
    );
    const odd = withPayload({ list: [undefined, [], {}, -0, Number.NaN], none: undefined, 'é"\n': null });
    expect(await hashInTurns(odd)).to.equal(contentHash(odd));
    const given = { ...odd, metadata: { $content: 'given' } };
    expect(await hashInTurns(given)).to.equal('given');
  });

  it('cuts no character of a long text in two', async () => {
    for (const before of ['', 'x']) {
      const event = withPayload(before + '\u{1f600}'.repeat(150_000));
      expect(await hashInTurns(event)).to.equal(contentHash(event));
    }
  });

  it('gives the event loop its turns meanwhile', async () => {
    const list = Array.from({ length: 50_000 }, (_, n) => ({ n, name: `item ${n}`, tags: ['a', 'b'] }));
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await hashInTurns(withPayload({ list }));
    isOver = true;
    expect(turns).to.be.greaterThan(1);
  });
});
