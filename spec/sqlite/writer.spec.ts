import { expect } from 'chai';
import type { Connection } from '../../plugins/sqlite/connection.ts';
import type { HeldFile } from '../../plugins/sqlite/held-file.ts';
import { Writer } from '../../plugins/sqlite/writer.ts';
import { rejectionOf } from '../support/rejection-of.ts';

describe('sqlite: a writer that waits for the lock', () => {
  // It asked every 20 ms, and was passed over for seconds by seven others that had nothing to wait for.
  it('asks often again when it has waited for long', async () => {
    const since = performance.now();
    const asked: number[] = [];
    const exec = (): never => {
      asked.push(performance.now() - since);
      throw Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' });
    };
    const connection = { exec, inTransaction: false } as unknown as Connection;
    const writer = new Writer(connection, { path: 'x' } as HeldFile, 1_500);
    const { code } = await rejectionOf(writer.transaction(() => undefined));
    expect(code).to.equal('STORE_UNAVAILABLE');
    const gaps = asked.slice(1).map((at, i) => ({ at, ms: at - asked[i]! }));
    const late = gaps.filter(({ at }) => at > 300).map(({ ms }) => ms);
    expect(Math.min(...late), 'ms between two late questions').to.be.below(15);
  });
});
