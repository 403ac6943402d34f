import { expect } from 'chai';
import { TelltaleError } from '../../lib/errors.ts';
import { checkVersion, migrate, newestVersion } from '../../lib/sql/migrations.ts';
import type { Migrations } from '../../lib/sql/migrations.ts';

describe('migrations of tables', () => {
  const done: number[] = [];
  const steps: Migrations<number[]> = [(to) => to.push(2), async (to) => to.push(3), (to) => to.push(4)];
  beforeEach(() => done.splice(0));

  it('lead to the version after the last step', () => {
    expect(newestVersion([])).to.equal(1);
    expect(newestVersion(steps)).to.equal(4);
  });

  it('carry out what is missing, in order', async () => {
    await migrate(done, 2, steps);
    expect(done).to.deep.equal([3, 4]);
    await migrate(done, 4, steps);
    expect(done).to.deep.equal([3, 4]);
  });

  it('end with the step that fails', async () => {
    const broken: Migrations<number[]> = [() => Promise.reject(new RangeError('mine')), (to) => to.push(3)];
    expect(await migrate(done, 1, broken).catch((error: unknown) => error)).to.be.instanceOf(RangeError);
    expect(done).to.deep.equal([]);
  });

  it('refuse a newer version, and an older one that is only read, and say which', () => {
    expect(refusal(3, true)).to.equal(undefined);
    expect(refusal(3, false)).to.equal(undefined);
    expect(refusal(1, false)).to.equal(undefined);
    expect(refusal(4, false)).to.match(/^STORE_VERSION .*3 or older, found version 4; a newer telltale wrote them/);
    expect(refusal(4, true)).to.match(/^STORE_VERSION .*version 3, found version 4; a newer telltale wrote them/);
    expect(refusal(1, true)).to.match(/^STORE_VERSION .*version 3, found version 1; opened once for writing/);
  });
});

function refusal(found: number, readOnly: boolean): unknown {
  try {
    return checkVersion('log', found, 3, readOnly);
  } catch (error) {
    return error instanceof TelltaleError ? `${error.code} ${error.message}` : error;
  }
}
