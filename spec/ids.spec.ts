import { expect } from 'chai';
import fc from 'fast-check';
import { createIdSource, timeOfId } from '../lib/ids.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const START = Date.UTC(2026, 0, 1);

describe('createIdSource', () => {
  it('makes well-formed UUIDv7s that carry their time', () => {
    const id = createIdSource({ now: () => START + 0.75 })();
    expect(id).to.match(UUID_V7);
    expect(timeOfId(id)).to.equal(START);
  });

  it('makes 200,000 different ids within one millisecond, in the order of their text', () => {
    const newId = createIdSource({ now: () => START });
    const ids = Array.from({ length: 200_000 }, () => newId());
    expect(firstOutOfOrder(ids)).to.equal(-1);
    expect(ids.every((id) => UUID_V7.test(id))).to.equal(true);
    expect(timeOfId(ids.at(-1)!)).to.equal(START);
  });

  it('keeps text order whatever the clock does', () => {
    const step = fc.oneof(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.constantFrom(NaN, -Infinity, 0));
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 200 }), (steps) => {
        const newId = createIdSource();
        const ids = steps.map((by) => newId(START + by));
        expect(firstOutOfOrder(ids)).to.equal(-1);
        expect(ids.every((id) => UUID_V7.test(id))).to.equal(true);
      }),
    );
  });

  it('goes on after the clock has fallen back', () => {
    let now = START;
    const newId = createIdSource({ now: () => now });
    const before = newId();
    now -= 3_600_000;
    expect(newId() > before).to.equal(true);
  });

  it('raises the millisecond when counter and sequence of one are used up', () => {
    // All bits set: the sequence starts at its last value, the counter too.
    const newId = createIdSource({ now: () => START, random: (words) => words.fill(0xffff) });
    const ids = Array.from({ length: 3 }, () => newId());
    expect(firstOutOfOrder(ids)).to.equal(-1);
    expect(timeOfId(ids[0]!)).to.equal(START);
    expect(timeOfId(ids[1]!)).to.equal(START + 1);
  });

  it('takes the time of the call where one is given', () => {
    expect(timeOfId(createIdSource({ now: () => START })(START + 5))).to.equal(START + 5);
  });

  it('shares no id between two sources of one millisecond', () => {
    const [one, two] = [createIdSource({ now: () => START }), createIdSource({ now: () => START })];
    const ids = new Set(Array.from({ length: 1_000 }, () => [one(), two()]).flat());
    expect(ids.size).to.equal(2_000);
  });

  it('takes new random bits for each millisecond', () => {
    const newId = createIdSource();
    const random = new Set(Array.from({ length: 1_000 }, (_, i) => newId(START + i).slice(19)));
    expect(random.size).to.equal(1_000);
  });
});

function firstOutOfOrder(ids: readonly string[]): number {
  return ids.findIndex((id, i) => i > 0 && id <= ids[i - 1]!);
}
