import { expect } from 'chai';
import { NO_KEY, findKey, mayHold, toFilter, toSection } from '../../plugins/json-file/sections.ts';
import { randomSource } from './random.ts';

describe('json-file: sections of an index', () => {
  // On both sides of the size from which the sort takes other digits.
  for (const count of [0, 1, 16, 8_191, 8_192])
    it(`finds the records of each of ${count} keys, rising, and those of no other`, () => {
      const next = randomSource(count + 1);
      // Every hash comes several times, and many differ in their high or low half only.
      const hashes = Array.from({ length: count }, () => halves(Math.floor(next() * (count / 3))));
      const section = toSection(hashes, undefined);
      const wanted = new Map<number, number[]>();
      hashes.forEach((hash, record) => wanted.set(hash, [...(wanted.get(hash) ?? []), record]));
      const found = [...wanted].map(([hash]) => findKey(section, hash).join());
      expect(found).to.deep.equal([...wanted].map(([, records]) => records.join()));
      expect(findKey(section, 0x12345678)).to.deep.equal([]);
      const filter = toFilter(section);
      expect([...wanted.keys()].every((hash) => mayHold(filter, hash))).to.equal(true);
    });

  it('adds the keys of a column to those it has, holes left out', () => {
    const base = toSection([7, 0xffffffff, 7], undefined);
    const column: number[] = [];
    column[3] = 7;
    column[4] = NO_KEY;
    column[5] = 0;
    const section = toSection(column, base);
    expect([...section]).to.deep.equal([0, 7, 7, 7, 0xffffffff, 5, 0, 2, 3, 1]);
  });

  it('takes for a few keys a small part of what it takes for many', () => {
    const few = Array.from({ length: 16 }, (_, i) => i * 0x01000193);
    const many = Array.from({ length: 65_536 }, (_, i) => Math.imul(i, 0x01000193) >>> 0);
    const costs = [0, 1, 2].map(() => {
      const ofMany = processorTime(() => toSection(many, undefined));
      return processorTime(() => times(100, () => toSection(few, undefined))) / ofMany;
    });
    expect(Math.min(...costs), 'a hundred small sections against a large one').to.be.lessThan(1.5);
  });
});

function halves(n: number): number {
  return ((n % 2 === 0 ? n << 16 : n) >>> 0) + 1;
}

function times(count: number, work: () => void): void {
  for (let i = 0; i < count; i++) work();
}

function processorTime(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
