import { expect } from 'chai';
import fc from 'fast-check';
import { tell, toReport } from '../../examples/team/report.ts';
import type { Entries } from '../../examples/team/report.ts';

interface Told {
  readonly type: string;
  readonly payload: unknown;
}

const facts = (lines: number) => ({ language: 'TypeScript', lines, imports: 1, exports: 2, todos: 3 });
const parsed = (path: string, lines: number, bytes = 10): Told => ({
  type: 'file.parsed',
  payload: { path, stamp: '1', bytes, facts: facts(lines) },
});
const flagged = (path: string, value: number): Told => ({
  type: 'file.flagged',
  payload: { path, rule: 'lines', value, limit: 400 },
});
const failed = (path: string): Told => ({ type: 'file.failed', payload: { path, stamp: '1', reason: 'binary' } });

const report = (events: readonly Told[]) => toReport(events.reduce<Entries>(tell, new Map()));

describe('the report of the demo team', () => {
  it('adds up what the readers found', () => {
    const found = report([parsed('a.ts', 5), parsed('b.ts', 500, 20), flagged('b.ts', 500)]);
    expect(found).to.include({ read: 2, bytes: 30, lines: 505, imports: 2, exports: 4, todos: 6 });
    expect(found.languages).to.deep.equal([{ name: 'TypeScript', files: 2, lines: 505 }]);
    expect(found.flags.map(({ path }) => path)).to.deep.equal(['b.ts']);
  });

  it('lists a failed file with its reason and does not count it as read', () => {
    expect(report([failed('a.bin')])).to.deep.include({ read: 0, failures: [{ path: 'a.bin', reason: 'binary' }] });
  });

  it('forgets what an earlier reading found when a file is read again', () => {
    const again = [parsed('a.ts', 500), flagged('a.ts', 500), parsed('a.ts', 2)];
    expect(report(again)).to.deep.equal(report([parsed('a.ts', 2)]));
    expect(report([failed('a.ts'), parsed('a.ts', 2)]).failures).to.deep.equal([]);
  });

  it('counts nothing twice that it is told twice', () => {
    const events = [parsed('a.ts', 500), flagged('a.ts', 500), failed('b.ts')];
    expect(report(events.flatMap((event) => [event, event]))).to.deep.equal(report(events));
  });

  it('is the same whatever order the files came in', () => {
    const files = ['a', 'b', 'c', 'd'].map((path, index) => [parsed(path, index), flagged(path, index)]);
    const whole = report(files.flat());
    fc.assert(
      fc.property(fc.shuffledSubarray(files, { minLength: 4 }), (shuffled) => {
        expect(report(shuffled.flat())).to.deep.equal(whole);
      }),
    );
  });

  it('leaves events alone that are not about files', () => {
    expect(report([{ type: 'scan.started', payload: { root: '/' } }])).to.deep.equal(report([]));
  });
});
