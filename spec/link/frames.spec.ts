import { expect } from 'chai';
import fc from 'fast-check';
import type { Metadata, TelltaleEvent } from '../../lib/index.ts';
import { NO_METADATA } from '../../lib/event/inherit.ts';
import type { Message } from '../../lib/link/frames.ts';
import { decode, encode } from '../../lib/link/packing.ts';
import { codeOf } from '../support/code-of.ts';

const chain = fc.record({
  depth: fc.integer({ min: 1, max: 9 }),
  since: fc.nat(),
  sinceDepth: fc.nat(9),
  emitter: fc.constantFrom('a-1', 'b-2'),
});
const event = fc
  .record(
    {
      id: fc.constantFrom('1', '2', '3'),
      type: fc.constantFrom('a', 'b.c'),
      source: fc.constantFrom('main', 'main/worker'),
      time: fc.nat(),
      entity: fc.constantFrom('run/1', 'run/2'),
      correlationId: fc.constantFrom('1', '2'),
      causationId: fc.constantFrom('1', '2'),
      schemaVersion: fc.integer({ min: 1, max: 2 }),
      payload: fc.constantFrom(null, 0, '', { n: 1 }, [false]),
      metadata: fc.constantFrom<Metadata>({}, { userId: 'u' }),
    },
    { requiredKeys: ['id', 'type', 'source', 'time', 'correlationId', 'schemaVersion', 'payload', 'metadata'] },
  )
  .map((one) => one as TelltaleEvent);
const stored = event.map((one) => ({ ...one, position: 7, revision: 0, storedAt: 9 }));
const number = fc.integer({ min: 1, max: 3 });
const flag = fc.constantFrom<(0 | 1)[]>(0, 1);

/** Numbers follow each other now and then, so that there are runs of all lengths. */
const message = fc.oneof(
  fc.tuple(fc.constant('event'), number, number, fc.oneof(event, stored), flag, fc.nat(2), number),
  fc.tuple(fc.constant('event'), number, number, event, flag, fc.nat(2), number, chain),
  fc.tuple(fc.constant('tell'), event, number),
  fc.tuple(fc.constant('tell'), event, number, chain),
  fc.tuple(
    fc.constant('append'),
    number,
    fc.array(event, { minLength: 1, maxLength: 2 }),
    fc.tuple(number),
    fc.constant({ fresh: true }),
  ),
  fc.tuple(fc.constant('append'), number, fc.tuple(event), fc.tuple(number), fc.constant({ fresh: false, expect: 3 })),
  fc.tuple(
    fc.constant('append'),
    number,
    fc.tuple(event),
    fc.tuple(number),
    chain.map((one) => ({ fresh: false, chains: [one] })),
  ),
  fc.tuple(fc.constant('done'), number, number),
) as unknown as fc.Arbitrary<Message>;

function unpacked(frame: unknown): readonly Message[] {
  const found: Message[] = [];
  const messages = decode(frame);
  for (let next = messages.next(); next; next = messages.next()) found.push(next);
  return found;
}

/** `count` events that are alike, the first one of number `from`. */
function alike(from: number, count: number): readonly Message[] {
  return Array.from({ length: count }, (_, i): Message => {
    const id = String(from + i);
    const one = {
      id,
      type: 'a',
      source: 'main',
      time: 1,
      correlationId: id,
      schemaVersion: 1,
      payload: i,
      metadata: NO_METADATA,
    };
    return ['event', from + i, 1, one, 0, 0, 260];
  });
}

describe('frames of a link', () => {
  it('arrive as they were sent, in order, whatever is in them', () => {
    const messages = fc.array(
      fc.oneof(
        message,
        fc.nat(9).chain(() => message),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(messages, fc.integer({ min: 0, max: 9 }), (given, count) => {
        const sent = [...given, ...alike(1, count), ...alike(count + 2, count), ...given];
        expect(unpacked(encode(sent))).to.deep.equal(sent);
      }),
      { numRuns: 500 },
    );
  });

  it('say once what events that are alike have in common', () => {
    const [few, many] = [encode(alike(1, 1)).length, encode(alike(1, 100)).length];
    expect((many - few) / 99).to.be.below(20);
  });

  it('that hold a run without columns, or with some missing, are not ours', () => {
    for (const columns of [undefined, [], ['1', 2, 3], 'text', 4]) {
      const frame = JSON.stringify([['events', 1, 1, 0, 'a', 'main', 1, columns]]);
      expect(
        codeOf(() => unpacked(frame)),
        JSON.stringify(columns),
      ).to.equal('LINK_BROKEN');
    }
  });
});
