import { expect } from 'chai';
import { endsTransaction } from '../../lib/sql/transaction-end.ts';

describe('a statement that ends a transaction', () => {
  it('is seen behind comments, and not taken for another', () => {
    for (const sql of ['COMMIT', ' ;\n-- x\n/* y */end', 'Prepare /* z */ transaction 1', '/**//**/ROLLBACK', 'VACUUM'])
      for (const comments of ['nested', 'flat'] as const) expect(endsTransaction(sql, comments), sql).to.equal(true);
    for (const sql of ['', 'SELECT 1 -- commit', 'PREPARE p AS SELECT 1', 'committed', '/* COMMIT', '-- COMMIT'])
      for (const comments of ['nested', 'flat'] as const) expect(endsTransaction(sql, comments), sql).to.equal(false);
  });

  it('is seen as its database sees comments', () => {
    expect(endsTransaction('/* /* */ */ COMMIT', 'nested')).to.equal(true);
    expect(endsTransaction('/* /* */ COMMIT', 'flat')).to.equal(true);
    expect(endsTransaction('/* /* */ COMMIT', 'nested')).to.equal(false);
    expect(endsTransaction('-- x\rCOMMIT', 'nested')).to.equal(true);
    expect(endsTransaction('-- x\rCOMMIT', 'flat')).to.equal(false);
  });

  it('is found in time, however many comments there are', () => {
    const many = '/**/'.repeat(100_000);
    expect(endsTransaction(`${many}SELECT 1`, 'flat')).to.equal(false);
    expect(endsTransaction(`${many}COMMIT`, 'nested')).to.equal(true);
  });
});
