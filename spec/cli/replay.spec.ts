import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import { commandLine } from '../support/command-line.ts';
import type { Ended } from '../support/command-line.ts';
import { quickFolder } from '../support/quick-folder.ts';

const START = Date.UTC(2026, 0, 31, 12);

const lines = (text: string): readonly string[] => text.trimEnd().split('\n');

describe('telltale replay', function () {
  this.timeout(60_000);
  let home: string;

  before(async () => {
    home = await mkdtemp(join(quickFolder(), 'telltale-replay-'));
    const store = jsonFile(join(home, 'log'));
    const bus = await createBus({ source: 'shop', store });
    for (let i = 1; i <= 30; i++) {
      const type = i % 10 === 0 ? 'order.failed' : 'order.placed';
      await bus.publish(type, { total: i, text: '\u001b[31mred\n'.repeat(20) }, { time: START + i * 1_000 });
    }
    await store.remove([{ from: 3, to: 4 }], 'asked for');
    await bus.close();
  });
  after(() => rm(home, { recursive: true }));

  const telltale = (...words: readonly string[]): Promise<Ended> => commandLine(['replay', ...words], home);

  it('shows what it would tell, the window, how long it takes and what is gone', async () => {
    const { code, out, err } = await telltale('log', '--dry-run', '--speed', '10x');
    expect([code, err]).to.deep.equal([0, '']);
    expect(out).to.contain('replay of log (dry run: nothing is told)\n  28 events, positions 1 to 30\n');
    expect(out).to.contain('  2026-01-31 12:00:01 to 2026-01-31 12:00:30 UTC\n');
    expect(out).to.match(/at 10 times the original speed: 2\.9 s of waits \(read in .+\)/);
    expect(out).to.match(/gone: positions 3 to 4 since .+ UTC \(asked for\)/);
    expect(out).to.match(/by type \(2\)\n {2}order\.placed {2}25 {2}█{20,}\n {2}order\.failed {3}3 {2}█+\n/);
    expect(lines(out).filter((line) => line.length > 80)).to.deep.equal([]);
  });

  it('selects, and tells the same as JSON', async () => {
    const selection = ['--from', '5', '--to', '2026-01-31T12:00:25', '--pattern', '*.failed', '--order', 'time'];
    const { out } = await telltale('log', '--dry-run', '--json', '--backward', '--speed', 'original', ...selection);
    expect(JSON.parse(out)).to.deep.include({
      events: 2,
      byType: [{ type: 'order.failed', count: 2 }],
      first: { position: 20, time: START + 20_000 },
      last: { position: 10, time: START + 10_000 },
      durationMs: 10_000,
    });
  });

  it('prints the events one a line, says that it only prints, and does not change the log', async () => {
    const { code, out } = await telltale('log', '--pattern', '*.failed', '--speed', '1000');
    expect(code).to.equal(0);
    const [head, ...rest] = lines(out);
    expect(head).to.contain('printed only: no handler runs');
    expect(rest.length).to.equal(4);
    expect(rest[0]).to.match(/^ {6}10 {2}2026-01-31 12:00:10 {2}order\.failed {2}\{"total":10/);
    expect(rest.at(-1)).to.match(/^3 events in /);
    // oxlint-disable-next-line no-control-regex -- the payload's escapes must not reach the terminal
    expect(out).not.to.match(/\u001b/);
    expect(lines(out).filter((line) => line.length > 80)).to.deep.equal([]);
    const json = lines((await telltale('log', '--json')).out).map((line) => JSON.parse(line) as { position: number });
    expect(json.map(({ position }) => position).slice(0, 4)).to.deep.equal([1, 2, 5, 6]);
    expect(json.length).to.equal(28);
  });

  for (const [words, text] of [
    [['log', '--speed', '0'], 'telltale: --speed is max, original or a factor above 0 such as 10x, not "0"'],
    [['log', '--order', 'id'], 'telltale: --order is position or time, not "id"'],
    [
      ['log', '--from', '3', '--dry-run'],
      'telltale: cannot replay position 3 (`from`): positions 3 to 4 are gone since',
    ],
    [['log', '--from', '9', '--to', '5'], 'telltale: expected a window that ends after it starts'],
    [['log', '--pattern', 'a..b'], 'telltale: expected'],
    [['log', '--max-gap', 'soon'], 'telltale: expected `maxGap` to be'],
    [['nowhere'], 'telltale: nowhere does not exist'],
  ] as const)
    it(`says in one line what is wrong with ${words.join(' ')}`, async () => {
      const { code, out, err } = await telltale(...words);
      expect([code, out]).to.deep.equal([2, '']);
      expect(err).to.contain(text);
      expect(lines(err).length).to.equal(1);
    });
});
