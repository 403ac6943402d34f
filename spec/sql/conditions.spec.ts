import { expect } from 'chai';
import { compileFilter } from '../../lib/filter/compile.ts';
import { conditionsOf } from '../../lib/sql/conditions.ts';
import type { Filter } from '../../lib/filter/language.ts';
import { buildEvents } from '../../plugins/contract/build-event.ts';
import { DIALECT } from '../../plugins/sqlite/reading.ts';
import { cleanUp, freshStore } from '../sqlite/files.ts';

const list = <T>(length: number, value: (i: number) => T): T[] => Array.from({ length }, (_, i) => value(i));
const types = (k: number): Filter => ({ type: { $in: list(900, (i) => `t${k}.x${i}`) } });

/** Each is more than a database takes in one statement. */
const FILTERS: Readonly<Record<string, Filter>> = {
  'many alternatives': { $or: [{ position: 2 }, ...list(3_000, (k) => ({ position: k + 100 }))] },
  'alternatives with many values': { $or: [{ position: 2 }, ...list(40, types)] },
  'many conditions': { $and: list(3_000, (k) => ({ position: { $ne: k + 3 } })) },
  'conditions with many values': { $and: list(40, (k) => ({ $not: types(k) })) },
  'equalities with many values': {
    $and: list(40, (k) => ({ [`payload.f${k}`]: { $in: [null, ...list(900, (i) => i)] } })),
  },
};

describe('conditions in SQL', () => {
  for (const [name, where] of Object.entries(FILTERS))
    it(`keep a statement small whatever the filter has: ${name}`, async () => {
      const { sql, parameters } = conditionsOf({ where }, DIALECT);
      expect(parameters.length).to.be.at.most(10_000);
      expect(depthOf(sql)).to.be.lessThan(100);
      const store = freshStore({});
      await store.open();
      try {
        await store.append(buildEvents(4, { payload: {} }));
        const { events } = await store.page({ after: 0, through: 9, descending: false, limit: 9, where });
        const matches = compileFilter(where);
        const all = await store.page({ after: 0, through: 9, descending: false, limit: 9 });
        expect(events).to.deep.equal(all.events.filter((event) => matches(event)));
        const part = { after: 0, through: 4, by: [], numbers: [], withoutReserved: false, limit: 9, where };
        const counted = await store.summarize(part);
        if (counted !== undefined)
          expect(counted.groups.reduce((n, { count }) => n + count, 0)).to.equal(events.length);
        const query = { $and: [{ position: 9_999_999 }, where] };
        await store.append(buildEvents(1), { expect: { query, after: 0 } });
      } finally {
        await store.close();
        cleanUp(store);
      }
    });

  it('pushes down what fits, and says that it is not all', () => {
    const where = { $and: [{ type: 'a.b' }, ...list(3_000, (k) => ({ position: { $ne: k + 3 } }))] };
    const { sql, isExact } = conditionsOf({ where }, DIALECT);
    expect(sql).to.match(/type = \?.*position = \?/);
    expect(isExact).to.equal(false);
  });
});

/** How deep SQLite's parser gets: into brackets, and along a chain of operators. */
function depthOf(sql: string): number {
  const chains = [0];
  let deepest = 0;
  for (const [token] of sql.matchAll(/[()]|\b(?:AND|OR)\b/g)) {
    if (token === '(') chains.push(0);
    else if (token === ')') chains.pop();
    else chains[chains.length - 1]!++;
    deepest = Math.max(
      deepest,
      chains.reduce((sum, chain) => sum + chain + 1, 0),
    );
  }
  return deepest;
}
