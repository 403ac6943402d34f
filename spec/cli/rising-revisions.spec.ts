import { expect } from 'chai';
import fc from 'fast-check';
import { examine } from '../../plugins/cli/examine.ts';
import { RisingRevisions } from '../../plugins/cli/rising-revisions.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';

type Written = readonly (readonly [entity: number, revision: number])[];

/** Positions of revisions that do not rise, and how many passes it took to find them. */
function falling(written: Written, revisions: RisingRevisions): { positions: number[]; passes: number } {
  const positions: number[] = [];
  let passes = 0;
  do {
    passes++;
    for (const [i, [entity, revision]] of written.entries())
      if (!revisions.rises(`task/${entity}`, revision, i + 1)) positions.push(i + 1);
  } while (revisions.next());
  return { positions: positions.toSorted((a, b) => a - b), passes };
}

function fallingByMap(written: Written): number[] {
  const last = new Map<number, number>();
  return written.flatMap(([entity, revision], i) => {
    const rises = revision > (last.get(entity) ?? 0);
    last.set(entity, revision);
    return rises ? [] : [i + 1];
  });
}

describe('whether revisions rise', () => {
  const log = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 6 })), { maxLength: 200 });

  it('is found once each, however few entities are held at a time', () => {
    fc.assert(
      fc.property(log, fc.integer({ min: 1, max: 30 }), (written, most) => {
        expect(falling(written, new RisingRevisions(most)).positions).to.deep.equal(fallingByMap(written));
      }),
    );
  });

  it('takes one pass where all entities are held, and few where a part of them is', () => {
    const written = Array.from({ length: 4_000 }, (_, i) => [i, 1] as const);
    expect(falling(written, new RisingRevisions(4_000)).passes).to.equal(1);
    expect(falling(written, new RisingRevisions(1_000)).passes).to.be.within(4, 8);
  });

  it('is told by `examine` once, which counts each event once', async () => {
    const store = memory();
    await store.open();
    for (let i = 0; i < 60; i++) await store.append([buildEvent({ id: `e-${i}`, entity: `task/${i % 30}` })]);
    const wrong = new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (name !== 'page') return typeof member === 'function' ? (member.bind(target) as unknown) : member;
        return async (query: Parameters<typeof store.page>[0]) => {
          const page = await target.page(query);
          return {
            ...page,
            events: page.events.map((event) => (event.position === 47 ? { ...event, revision: 1 } : event)),
          };
        };
      },
    });
    const { events, faults } = await examine(wrong, new RisingRevisions(7));
    expect(events).to.equal(60);
    expect(faults).to.deep.equal([{ problem: 'event e-46 was stored as revision 2', position: 47 }]);
    await store.close();
  });
});
