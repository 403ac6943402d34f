import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { walk } from '../../examples/team/walk.ts';

const FILES = [
  'a.ts',
  'a/b/c.ts',
  'a/b.ts',
  'a/b/d.ts',
  'a-b.ts',
  'b/a.ts',
  'b/node_modules/x.js',
  'log/1.ndjson',
  'z',
];

describe('the walk of the scout', () => {
  let root: string;

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'telltale-walk-'));
    for (const file of FILES) {
      mkdirSync(join(root, file, '..'), { recursive: true });
      writeFileSync(join(root, file), '12345');
    }
    symlinkSync(root, join(root, 'b/round'));
  });
  after(() => rmSync(root, { recursive: true }));

  it('finds every file once, follows no link and leaves out what it is told to', () => {
    const skip = { skipNames: new Set(['node_modules']), skipPaths: new Set([join(root, 'log')]) };
    const paths = [...walk({ root, ...skip })].map(({ path }) => path);
    expect(paths).to.deep.equal(['a/b/c.ts', 'a/b/d.ts', 'a/b.ts', 'a-b.ts', 'a.ts', 'b/a.ts', 'z']);
  });

  it('stamps a file with size and time of change', () => {
    const [first] = walk({ root, skipNames: new Set(), skipPaths: new Set() });
    expect(first)
      .to.have.property('stamp')
      .that.matches(/^5-\d{13}$/);
  });

  it('tells a folder it cannot list and goes on', () => {
    const [only] = walk({ root: join(root, 'nowhere'), skipNames: new Set(), skipPaths: new Set() });
    expect(only).to.have.property('reason').that.contains('ENOENT');
    expect(only!.path).to.equal('.');
  });
});
