import { expect } from 'chai';
import type { StoredEvent } from '../../lib/event/event.ts';
import { drawTree, reasonOf } from '../../plugins/cli/render/tree.ts';
import { treeLines } from '../../plugins/cli/correlation-tree.ts';

const look = { width: 80, colour: false };
let position = 0;

function event(id: string, type: string, causationId?: string, more: Partial<StoredEvent> = {}): StoredEvent {
  position++;
  return {
    id,
    type,
    source: 'reader-1',
    time: 1_000 + position,
    correlationId: 'c',
    ...(causationId !== undefined && { causationId }),
    schemaVersion: 1,
    payload: {},
    metadata: {},
    position,
    revision: 0,
    storedAt: 0,
    ...more,
  };
}

describe('a correlation drawn as a tree', () => {
  beforeEach(() => (position = 0));

  it('has one line an event, under its cause, with source and time since the first', () => {
    const events = [
      event('a', 'file.found', undefined, { source: 'scout' }),
      event('b', 'file.read', 'a'),
      event('c', 'file.parsed', 'b'),
      event('d', 'file.flagged', 'c', { source: 'reviewer', time: 2_001 }),
      event('e', 'note.taken', 'a'),
    ];
    expect(drawTree(look, events, 99).lines.map((line) => line.replace(/ {2,}/g, '  '))).to.deep.equal(
      [
        'file.found  scout  0 ms',
        '├─ file.read  reader-1  1 ms',
        '│  └─ file.parsed  reader-1  2 ms',
        '│  └─ file.flagged  reviewer  1000 ms'.replace('│  └─', '│     └─').replace('1000 ms', '1.0 s'),
        '└─ note.taken  reader-1  4 ms',
      ].map((line) => line.replace(/ {2,}/g, '  ')),
    );
    expect(drawTree(look, events, 99).lines.every((line) => line.length <= 78)).to.equal(true);
  });

  it('marks failures and says their reason', () => {
    const events = [
      event('a', 'file.found'),
      event('b', 'file.failed', 'a', { payload: { reason: 'binary\u001b[2J' } }),
      event('c', '$dead-letter.opened', 'a', {
        payload: { reason: 'handler-failed', recipient: 'file.*', error: { message: 'no good' } },
      }),
    ];
    const { lines } = drawTree(look, events, 99);
    expect(lines[1]).to.match(/^├─ ✗ file\.failed/);
    expect(lines[2]).to.equal('│    binary\\x1b[2J');
    expect(lines[3]).to.match(/^└─ ✗ dead letter/);
    expect(lines[4]).to.equal('     handler of file.*: no good');
  });

  it('shows what has a cause outside the log, or only each other as causes, once', () => {
    const events = [
      event('a', 'x.lost', 'gone'),
      event('b', 'x.left', 'c'),
      event('c', 'x.right', 'b'),
      event('d', 'x.own', 'd'),
    ];
    const { lines } = drawTree(look, events, 99);
    expect(lines).to.have.length(4);
    expect(lines.map((line) => /x\.\w+/.exec(line)![0])).to.have.members(['x.lost', 'x.left', 'x.right', 'x.own']);
  });

  it('walks a chain of 100,000 causes and stays within the width', () => {
    const events = Array.from({ length: 100_000 }, (_, i) =>
      event(`e${i}`, 'x.done', i === 0 ? undefined : `e${i - 1}`),
    );
    const { lines, hidden } = drawTree(look, events, 30);
    expect([lines.length, hidden.length]).to.deep.equal([30, 99_970]);
    expect(lines.every((line) => line.length <= 78)).to.equal(true);
    expect(lines[20]).to.contain('20 › x.done');
  });

  it('says how much it leaves out and how much of that failed', () => {
    const events = [event('a', 'x.done'), event('b', 'x.done', 'a'), event('c', 'x.failed', 'a')];
    expect(treeLines(events, { look, limit: 1 }).at(-1)).to.equal('… and 2 more events, 1 of them failed');
  });

  it('keeps to 80 columns with the longest names there are', () => {
    const long = event('a', `${'x'.repeat(100)}.failed`, undefined, {
      source: 's'.repeat(200),
      payload: 'r'.repeat(500),
    });
    for (const line of drawTree(look, [long], 9).lines) expect(line.length).to.be.at.most(78);
  });

  it('says where an event of a recorded log had no time', () => {
    const events = [event('a', 'x.done'), event('b', 'x.done', 'a', { time: 9e12, metadata: { timeMissing: true } })];
    expect(drawTree(look, events, 9).lines[1]).to.match(/no time$/);
  });
});

describe('the reason in a payload', () => {
  it('is the first text in the usual places, however deep', () => {
    expect(reasonOf({ reason: 'a' })).to.equal('a');
    expect(reasonOf({ error: { message: 'b' } })).to.equal('b');
    expect(reasonOf({ tags: { error: 'c' } })).to.equal('c');
    expect(reasonOf({ other: 'd' })).to.equal('');
    expect(reasonOf(null)).to.equal('');
  });
});
