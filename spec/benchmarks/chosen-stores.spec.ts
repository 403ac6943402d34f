import { expect } from 'chai';
import { chosenStores } from '../../benchmarks/chosen-stores.ts';

describe('--store of the benchmarks', () => {
  it('names the stores that are measured; without it all of them are', () => {
    expect(chosenStores(['append', 'read', '--store=postgres,sqlite', '--quick'])).to.deep.equal([
      'sqlite',
      'postgres',
    ]);
    expect(chosenStores(['append'])).to.deep.equal(['json-file', 'sqlite', 'postgres']);
  });

  it('refuses a store that is none', () => {
    expect(() => chosenStores(['--store=oracle'])).to.throw('no store is named oracle');
  });
});
