import { expect } from 'chai';
import fc from 'fast-check';
import { ReportFold } from '../../examples/team/report.ts';
import type { ReportEvent } from '../../examples/team/report.ts';

const facts = (lines: number) => ({ language: 'TypeScript', lines, imports: 1, exports: 2, todos: 3 });
const read = (path: string, bytes: number): ReportEvent => ({
  type: 'file.read',
  payload: { path, stamp: '1', bytes },
});
const parsed = (path: string, lines: number): ReportEvent => ({
  type: 'file.parsed',
  payload: { path, facts: facts(lines) },
});
const flagged = (path: string, value: number): ReportEvent => ({
  type: 'file.flagged',
  payload: { path, rule: 'lines', value, limit: 400 },
});
const failed = (path: string): ReportEvent => ({ type: 'file.failed', payload: { path, reason: 'binary' } });

function report(events: readonly ReportEvent[]) {
  const fold = new ReportFold();
  for (const event of events) fold.apply(event);
  return fold.toReport();
}

describe('the report of the demo team', () => {
  it('adds up what the readers found', () => {
    const found = report([
      read('a.ts', 10),
      parsed('a.ts', 5),
      read('b.ts', 20),
      parsed('b.ts', 500),
      flagged('b.ts', 500),
    ]);
    expect(found).to.include({ read: 2, bytes: 30, lines: 505, imports: 2, exports: 4, todos: 6 });
    expect(found.languages).to.deep.equal([{ name: 'TypeScript', files: 2, lines: 505 }]);
    expect(found.flags.map(({ path }) => path)).to.deep.equal(['b.ts']);
  });

  it('lists a failed file with its reason and does not count it as read', () => {
    expect(report([failed('a.bin')])).to.deep.include({ read: 0, failures: [{ path: 'a.bin', reason: 'binary' }] });
  });

  it('forgets what an earlier reading found when a file is read again', () => {
    const again = [read('a.ts', 10), parsed('a.ts', 500), flagged('a.ts', 500), read('a.ts', 4), parsed('a.ts', 2)];
    expect(report(again)).to.deep.equal(report([read('a.ts', 4), parsed('a.ts', 2)]));
    expect(report([failed('a.ts'), read('a.ts', 4), parsed('a.ts', 2)]).failures).to.deep.equal([]);
  });

  it('is the same whatever order the files came in', () => {
    const files = ['a', 'b', 'c', 'd'].map((path, index) => [
      read(path, index),
      parsed(path, index),
      flagged(path, index),
    ]);
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
