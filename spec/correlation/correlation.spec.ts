import { expect } from 'chai';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { causes, effects } from '../../lib/correlation/chain.ts';
import { timeline } from '../../lib/correlation/read.ts';
import { tree, type TreeNode } from '../../lib/correlation/tree.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';

type Line = readonly [id: string, cause?: string | undefined, correlationId?: string, causes?: readonly string[]];

async function storeOf(lines: readonly Line[]): Promise<Store> {
  const store = memory();
  await store.open();
  const events = lines.map(([id, causationId, correlationId = 'c', several]): TelltaleEvent =>
    buildEvent({ id, causationId, correlationId, metadata: several ? { causes: [...several] } : {} }),
  );
  for (let from = 0; from < events.length; from += 1_000) await store.append(events.slice(from, from + 1_000));
  return store;
}

const ids = (events: readonly TelltaleEvent[]): string => events.map(({ id }) => id).join(' ');

/** `a(b(c) d)`: short trees only, it is recursive. */
function sketch(nodes: readonly TreeNode[]): string {
  return nodes.map(({ event, children }) => event.id + (children.length > 0 ? `(${sketch(children)})` : '')).join(' ');
}

const FAMILY: readonly Line[] = [['a'], ['b', 'a'], ['x', undefined, 'other'], ['c', 'b'], ['d', 'a'], ['e', 'c']];

describe('timeline', () => {
  it('answers all events of a correlation in position order, and none of others', async () => {
    const store = await storeOf(FAMILY);
    expect(ids(await timeline(store, 'c'))).to.equal('a b c d e');
    expect(await timeline(store, 'nobody')).to.deep.equal([]);
  });
});

describe('tree', () => {
  it('puts every event under its cause', async () => {
    const store = await storeOf(FAMILY);
    expect(sketch(await tree(store, 'c'))).to.equal('a(b(c(e)) d)');
  });

  it('answers the part below an event when it is given its id', async () => {
    const store = await storeOf([
      ['a', undefined, 'k'],
      ['b', 'a', 'k'],
      ['c', 'b', 'k'],
      ['d', 'a', 'k'],
    ]);
    expect(sketch(await tree(store, 'b'))).to.equal('b(c)');
    expect(sketch(await tree(store, 'k'))).to.equal('a(b(c) d)');
    expect(await tree(store, 'nobody')).to.deep.equal([]);
  });

  it('makes a root of what names a missing cause, and says which', async () => {
    const store = await storeOf([['a'], ['b', 'gone'], ['c', 'b'], ['d', 'far'], ['far', undefined, 'other']]);
    const roots = await tree(store, 'c');
    expect(sketch(roots)).to.equal('a b(c) d');
    expect(roots.map(({ missingCause }) => missingCause)).to.deep.equal([undefined, 'gone', undefined]);
    expect(roots.map(({ outerCause }) => outerCause)).to.deep.equal([undefined, undefined, 'far']);
  });

  it('takes effects that were stored before their causes', async () => {
    const store = await storeOf([['b', 'a'], ['a'], ['c', 'b']]);
    expect(sketch(await tree(store, 'c'))).to.equal('a(b(c))');
  });

  it('puts an event of several causes under the first that is in the tree', async () => {
    const store = await storeOf([['a'], ['b', 'a'], ['s', 'elsewhere', 'c', ['gone', 'b', 'a']]]);
    expect(sketch(await tree(store, 'c'))).to.equal('a(b(s))');
  });

  it('cuts cycles of imported data at the event that was stored first', async () => {
    const store = await storeOf([['tail', 'q'], ['p', 'r'], ['q', 'p'], ['r', 'q'], ['self', 'self'], ['a']]);
    const roots = await tree(store, 'c');
    expect(sketch(roots)).to.equal('p(q(tail r)) self a');
    expect(roots.map(({ cyclic }) => cyclic)).to.deep.equal([true, undefined, undefined]);
  });
});

describe('causes', () => {
  it('goes up the chain, nearest first, through several causes and other correlations', async () => {
    const store = await storeOf([
      ['a', undefined, 'one'],
      ['b', 'a', 'one'],
      ['m', undefined, 'two'],
      ['s', 'm', 'three', ['b', 'm', 'gone']],
      ['t', 's', 'three'],
    ]);
    expect(ids(await causes(store, 't'))).to.equal('s m b a');
    expect(await causes(store, 'a')).to.deep.equal([]);
    expect(await causes(store, 'nobody')).to.deep.equal([]);
  });

  it('ends in cyclic data', async () => {
    const store = await storeOf([
      ['p', 'q'],
      ['q', 'p'],
    ]);
    expect(ids(await causes(store, 'p'))).to.equal('q');
  });
});

describe('effects', () => {
  it('finds all that came from an event, in position order', async () => {
    const store = await storeOf([...FAMILY, ['s', 'x', 'c', ['d']]]);
    expect(ids(await effects(store, 'a'))).to.equal('b c d e s');
    expect(ids(await effects(store, 'b'))).to.equal('c e');
    expect(ids(await effects(store, 'd'))).to.equal('s');
    expect(await effects(store, 'nobody')).to.deep.equal([]);
  });

  it('finds effects in other correlations when it looks through the log', async () => {
    const store = await storeOf([['a'], ['b', 'a', 'two'], ['c', 'b', 'three'], ['d', 'z', 'three']]);
    expect(ids(await effects(store, 'a'))).to.equal('');
    expect(ids(await effects(store, 'a', { within: 'log' }))).to.equal('b c');
  });

  it('ends in cyclic data and takes effects stored before their causes', async () => {
    const store = await storeOf([
      ['r', 'q'],
      ['p', 'r'],
      ['q', 'p'],
    ]);
    expect(ids(await effects(store, 'p'))).to.equal('r q');
  });
});

describe('a chain of 100,000 events', () => {
  let store: Store;
  before(async function () {
    this.timeout(30_000);
    const lines = Array.from({ length: 100_000 }, (_, index): Line => [
      `e${index}`,
      index > 0 ? `e${index - 1}` : undefined,
    ]);
    store = await storeOf(lines);
  });
  after(() => store.close());

  it('is walked in every direction without recursion', async function () {
    this.timeout(30_000);
    expect(await causes(store, 'e99999')).to.have.length(99_999);
    expect(await effects(store, 'e0')).to.have.length(99_999);
    const [root] = await tree(store, 'c');
    let depth = 0;
    for (let node: TreeNode | undefined = root; node !== undefined; node = node.children[0]) depth++;
    expect(depth).to.equal(100_000);
  });
});
