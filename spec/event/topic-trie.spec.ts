import { expect } from 'chai';
import fc from 'fast-check';
import { matchesPattern, parsePattern } from '../../lib/event/pattern.ts';
import { TopicTrie } from '../../lib/event/topic-trie.ts';
import { leastMs } from '../support/least-ms.ts';
import { busyMs } from '../support/loop-hold.ts';
import { arbitraryPattern, arbitraryType } from '../support/pattern-oracle.ts';

function cost(others: number): number {
  const trie = new TopicTrie<number>();
  for (let index = 0; index < others; index++) trie.add(index % 2 ? `t${index}.done` : `t${index}.*`, index);
  const rounds = Array.from({ length: 3 }, () => {
    const started = busyMs();
    for (let index = 0; index < 20_000; index++) {
      trie.add('reply.given', index)();
      trie.add('reply.*', index)();
    }
    return busyMs() - started;
  });
  return Math.min(...rounds);
}

describe('TopicTrie', () => {
  it('answers the values of exact and wildcard patterns in the order they were added', () => {
    const trie = new TopicTrie<number>();
    for (const [index, pattern] of ['**', 'a.b', 'a.*', 'x', 'a.b', '*.b', 'a.b.**'].entries())
      trie.add(pattern, index);
    expect(trie.match('a.b')).to.deep.equal([0, 1, 2, 4, 5, 6]);
    expect(trie.match('nothing.here.at.all')).to.deep.equal([0]);
    expect(trie.size).to.equal(7);
  });

  it('keeps reserved types from wildcards', () => {
    const trie = new TopicTrie<string>();
    for (const pattern of ['**', '*', '*.*', '**.lagged', '$bus.**', '$bus.*', '$bus.lagged'])
      trie.add(pattern, pattern);
    expect(trie.match('$bus.lagged')).to.deep.equal(['$bus.**', '$bus.*', '$bus.lagged']);
  });

  it('removes once, however often the undo is called', () => {
    const trie = new TopicTrie<number>();
    const undo = trie.add('a.*', 1);
    trie.add('a.*', 2);
    undo();
    undo();
    expect(trie.match('a.b')).to.deep.equal([2]);
    expect(trie.size).to.equal(1);
  });

  it('removes any of many values under one pattern', () => {
    const trie = new TopicTrie<number>();
    const undos = [0, 1, 2, 3, 4, 5].map((value) => trie.add('a.*', value));
    for (const index of [1, 5, 0, 3]) undos[index]!();
    expect(trie.match('a.b')).to.deep.equal([2, 4]);
  });

  it('never changes an array it has given out', () => {
    const trie = new TopicTrie<number>();
    const undo = trie.add('a', 1);
    trie.add('*', 2);
    const given = trie.match('a');
    undo();
    trie.add('a', 3);
    expect(given).to.deep.equal([1, 2]);
    expect(trie.match('a')).to.deep.equal([2, 3]);
  });

  it('leaves the answers for other types alone when an exact pattern comes or goes', () => {
    const trie = new TopicTrie<number>();
    trie.add('hot', 1);
    const hot = trie.match('hot');
    trie.add('cold', 2)();
    expect(trie.match('hot')).to.equal(hot);
  });

  it('answers rightly for more types than it remembers', () => {
    const trie = new TopicTrie<number>();
    trie.add('*.done', 1);
    let wrong = 0;
    for (let round = 0; round < 2; round++)
      for (let index = 0; index < 25_000; index++) if (trie.match(`t${index}.done`).length !== 1) wrong++;
    expect(wrong).to.equal(0);
    trie.add('t7.*', 2);
    expect(trie.match('t7.done')).to.deep.equal([1, 2]);
  });

  it('refuses a malformed pattern and stays as it was', () => {
    const trie = new TopicTrie<number>();
    expect(() => trie.add('a.*b', 1))
      .to.throw()
      .with.property('code', 'INVALID_PATTERN');
    expect(trie.size).to.equal(0);
    expect(trie.match('a.b')).to.deep.equal([]);
  });

  it('walks patterns full of ** without going through every combination', () => {
    const trie = new TopicTrie<number>();
    trie.add('**.a.**.a.**.a.**.a.**.a.**.a.**.a.**.b', 1);
    // The answer to a type is kept, so that each attempt has one of its own.
    let length = 10_000;
    const walk = (): void => void expect(trie.match(Array(length++).fill('a').join('.'))).to.deep.equal([]);
    expect(leastMs(walk, 500)).to.be.below(500);
  });

  it('lets one pattern come and go at the same cost among 100,000 others', () => {
    const [few, many] = [cost(10), cost(100_000)];
    // It was 200 times when the map lost and regained the key each time.
    expect(many / few).to.be.below(10);
  });

  it('cuts off what nobody uses any more and grows it again', () => {
    const trie = new TopicTrie<number>();
    for (let index = 0; index < 5_000; index++) trie.add(`a.${index}.*`, index)();
    for (let index = 0; index < 5_000; index++) trie.add(`*.${index}`, index)();
    trie.add('a.7.*', 7);
    trie.add('*.*', 8);
    for (let index = 0; index < 5_000; index++) trie.add(`b.${index}.**`, index)();
    expect(trie.match('a.7.x')).to.deep.equal([7]);
    expect(trie.match('a.7')).to.deep.equal([8]);
  });

  it('agrees with matching every pattern by itself, whatever comes and goes in between', () => {
    const command = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), pattern: arbitraryPattern }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.nat() }),
      fc.record({ kind: fc.constant('match' as const), type: arbitraryType }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const trie = new TopicTrie<number>();
        const model: { value: number; pattern: string; undo: () => void }[] = [];
        let serial = 0;
        for (const step of commands) {
          if (step.kind === 'add') {
            const pattern = step.pattern.join('.');
            model.push({ value: serial, pattern, undo: trie.add(pattern, serial++) });
          } else if (step.kind === 'remove') {
            const [gone] = model.splice(step.at % Math.max(1, model.length), 1);
            gone?.undo();
          } else {
            const type = step.type.join('.');
            const covering = model.filter((entry) => matchesPattern(parsePattern(entry.pattern), type));
            expect(trie.match(type)).to.deep.equal(covering.map((entry) => entry.value));
          }
          expect(trie.size).to.equal(model.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});
