import { expect } from 'chai';
import { createBus, memory } from 'telltale';
import { audit, teamEvents } from '../../examples/team/index.ts';
import type { TeamBus } from '../../examples/team/index.ts';
import { toReport } from '../../examples/team/report.ts';

const facts = { language: 'none', lines: 1, imports: 0, exports: 0, todos: 0 };

describe('the audit of the demo team', () => {
  let bus: TeamBus;
  beforeEach(async () => (bus = await createBus({ store: memory(), events: teamEvents })));
  afterEach(() => bus.close());

  /** A file is found, and then these things are said of it. */
  function find(path: string, ...outcomes: readonly ('parsed' | 'refused' | 'given up')[]): void {
    const { id } = bus.emit('file.found', { root: '/', path, stamp: '1' });
    for (const outcome of outcomes)
      bus.withContext({ correlationId: id }, () => {
        const code = outcome === 'given up' ? 'WORKER_FAILED' : 'FILE_BINARY';
        if (outcome === 'parsed') bus.emit('file.parsed', { path, stamp: '1', bytes: 1, facts });
        else bus.emit('file.failed', { path, stamp: '1', reason: outcome, code });
      });
  }

  it('misses a file that was found and of which nothing is said, and one that readers died of', async () => {
    find('a', 'parsed');
    find('b');
    find('c', 'refused');
    find('d', 'given up');
    expect(await audit(bus, toReport(new Map()))).to.deep.include({ files: 4, lost: ['b', 'd'], twice: [] });
  });

  it('knows what is said twice from what was found again', async () => {
    find('a', 'parsed', 'parsed');
    find('b', 'parsed');
    find('b', 'parsed');
    expect(await audit(bus, toReport(new Map()))).to.deep.include({ files: 2, lost: [], twice: ['a'] });
  });

  it('takes the later time for a file that was left over and found again', async () => {
    find('a');
    find('a', 'refused');
    expect(await audit(bus, toReport(new Map()))).to.deep.include({ files: 1, lost: [], twice: [] });
  });
});
