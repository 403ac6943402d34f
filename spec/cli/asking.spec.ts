import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import type { SearchHit } from '../../lib/history/search.ts';
import { Problem } from '../../plugins/cli/problem.ts';
import { parsePlace, parseSelecting } from '../../plugins/cli/selecting.ts';
import { commandLine } from '../support/command-line.ts';
import type { Ended } from '../support/command-line.ts';
import { quickFolder } from '../support/quick-folder.ts';

const START = Date.UTC(2026, 0, 31, 12);

const lines = (text: string): readonly string[] => text.trimEnd().split('\n');
const events = (text: string): readonly Record<string, unknown>[] =>
  lines(text).map((line) => JSON.parse(line) as Record<string, unknown>);

describe('telltale query, search, stats', function () {
  this.timeout(60_000);
  let home: string;

  before(async () => {
    home = await mkdtemp(join(quickFolder(), 'telltale-asking-'));
    const store = jsonFile(join(home, 'log'));
    const bus = await createBus({ source: 'shop', store });
    for (let i = 1; i <= 60; i++)
      await bus.publish(
        i % 10 === 0 ? 'order.failed' : 'order.placed',
        { total: i, text: i % 10 === 0 ? `Disk\u001b[31m ${i} of\nthe host is FULL ${'x'.repeat(200)}` : 'fine' },
        { id: `e${i}`, entity: `order/${i % 7}`, time: START + i * 60_000 },
      );
    await bus.flush();
    await store.remove([{ from: 3, to: 4 }], 'asked for');
    await bus.close();
  });
  after(() => rm(home, { recursive: true }));

  const telltale = (words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> =>
    commandLine(words, home, env);

  it('lists the newest events in a table within 80 columns', async () => {
    const { code, out } = await telltale(['query', 'log', '--limit', '3']);
    expect(code).to.equal(0);
    const [title, first] = lines(out);
    expect(title).to.match(/^ {2}position {2}2026-01-31 UTC {2}type +entity +payload$/);
    expect(first).to.match(/^ +60 {2}13:00:00\.000 +order\.failed +order\/4 +\{"total":60,"text":"Disk/);
    expect(lines(out)).to.have.length(5);
    expect(lines(out).at(-1)).to.match(/^3 events in .*\(--limit shows more/);
    for (const line of lines(out)) expect(line.length, line).to.be.at.most(80);
  });

  it('takes every condition, and says what it has cost', async () => {
    const where = '{"payload.total":{"$in":[20,30,40]}}';
    const words = ['--pattern', 'order.*', '--type', 'order.failed', '--entity', 'order/*', '--where', where];
    const { out } = await telltale(['query', 'log', ...words, '--order', 'oldest', '--from', '25', '--json']);
    expect(events(out).map(({ position }) => position)).to.eql([30, 40]);
    const times = ['--from', '2026-01-31T12:10', '--to', '2026-01-31T13:12+01:00', '--by', 'time', '--limit', 'all'];
    const within = await telltale(['query', 'log', ...times, '--json']);
    expect(events(within.out).map(({ position }) => position)).to.eql([12, 11, 10]);
    const explained = await telltale(['query', 'log', '--where', '{"payload.total":7}', '--explain']);
    expect(explained.out).to.match(/^no index: 58 looked at, 1 on the first page$/m);
    expect(explained.out).to.include("this would help: jsonFile(folder, { index: ['payload.total'] })");
  });

  it('finds words, the newest first, in one safe line around each hit', async () => {
    const { code, out } = await telltale(['search', 'log', 'disk', 'host is full', '--limit', '2']);
    expect(code).to.equal(0);
    const [about, hit] = lines(out);
    expect(about).to.equal('  60  2026-01-31 13:00:00 UTC  order.failed  order/4');
    expect(hit).to.match(/^ {4}payload\.text {2}Disk\\x1b\[31m 60 of the host is FULL x+…$/);
    expect(lines(out).at(-1)).to.equal('2 events found (--limit shows more)');
    for (const line of lines(out)) expect(line.length, line).to.be.at.most(80);
    expect(out).not.to.include('\u001b');
  });

  it('paints what was found where colours are wanted', async () => {
    const { out } = await telltale(['search', 'log', 'full', '--limit', '1'], { FORCE_COLOR: '1' });
    expect(out).to.include('\u001b[33mFULL\u001b[39m');
  });

  it('says when nothing was found, and prints hits as JSON', async () => {
    expect(await telltale(['search', 'log', 'zebra'])).to.include({ code: 0, out: 'nothing found\n' });
    const { out } = await telltale(['search', 'log', '42', '--in', 'payload.total', '--json']);
    const hits = lines(out).map((line) => JSON.parse(line) as SearchHit);
    expect(hits.map(({ event }) => event.position)).to.eql([42]);
    expect(hits[0]!.matches[0]).to.include({ word: '42', path: 'payload.total' });
  });

  it('tells totals, types, sources and times of a log', async () => {
    const { code, out } = await telltale(['stats', 'log']);
    expect(code).to.equal(0);
    expect(out).to.match(/^log log\n {2}58 events, up to position 60\n {2}2 removed, last .* UTC: asked for\n/);
    expect(out).to.match(/^by type \(2\)\n {2}order\.placed {2}52 {2}█+\n {2}order\.failed {3}6 {2}█+\n/m);
    expect(out).to.match(/^by source \(1\)\n {2}shop {2}58 {2}█+\n/m);
    expect(out).to.match(/^over time \(UTC, 4 min 00 s a line\)\n {2}2026-01-31 12:01:00 +\d+ {2}█+\n/m);
    for (const line of lines(out)) expect(line.length, line).to.be.at.most(80);
    const told = JSON.parse((await telltale(['stats', 'log', '--json', '--top', '1'])).out) as Record<string, unknown>;
    expect(told).to.deep.include({ events: 58, head: 60 });
    expect(told['types']).to.deep.equal({ top: [{ name: 'order.placed', events: 52 }], distinct: 2, others: 6 });
  });

  it('shows of a removed event when and why it went', async () => {
    const { code, err } = await telltale(['show', 'log', 'e3']);
    expect(code).to.equal(2);
    expect(err).to.match(/^telltale: e3 was removed .* UTC \(asked for\); it was at position 3\n$/);
  });

  for (const [words, complaint] of [
    [['query', 'nowhere'], /nowhere does not exist/],
    [['query', 'log', '--where', '{"payload.x":{"$regex":""}}'], /\$regex.*\n$/],
    [['query', 'log', '--from', '9', '--to', '3'], /ends after it starts/],
    [['query', 'log', '--by', 'size'], /--by is position or time/],
    [['query', 'log', '--entity', 'noslash'], /"kind\/id" or "kind\/\*"/],
    [['search', 'log', ' '], /1 to 30 words/],
    [['search', 'log'], /missing required argument/],
    [['stats', 'log', '--top', 'x'], /--top is a number from 1 to 10,000, not x/],
  ] as const)
    it(`ends with 2 and one clear line: telltale ${words.join(' ')}`, async () => {
      const { code, out, err } = await telltale(words);
      expect({ code, out }).to.deep.equal({ code: 2, out: '' });
      expect(err).to.match(complaint);
      expect(err).to.match(/^telltale: /);
      expect(lines(err).filter((line) => !line.startsWith('('))).to.have.length(1);
    });
});

describe('the options that select events', () => {
  it('become what the bus takes', () => {
    expect(parseSelecting({})).to.deep.equal({ limit: 20, direction: 'backward' });
    const given = { type: 'a.b, c.d', correlation: 'c1', where: '{"source":"x"}', order: 'oldest', limit: 'all' };
    expect(parseSelecting({ ...given, from: '7', to: 'latest' })).to.deep.equal({
      type: ['a.b', 'c.d'],
      correlationId: 'c1',
      where: { source: 'x' },
      direction: 'forward',
      from: 7,
      to: 'latest',
    });
  });

  it('know places as people write them', () => {
    expect(parsePlace('2h', '--from')).to.deep.equal({ ago: '2h' });
    for (const [text, iso] of [
      ['2026-01-31', '2026-01-31T00:00:00.000Z'],
      ['2026-01-31T12:30', '2026-01-31T12:30:00.000Z'],
      ['2026-01-31 12:30:01.5', '2026-01-31T12:30:01.500Z'],
      ['2026-01-31T12:30+02:00', '2026-01-31T10:30:00.000Z'],
    ] as const)
      expect((parsePlace(text, '--from') as Date).toISOString()).to.equal(iso);
  });

  for (const [options, complaint] of [
    [{ where: '{' }, /--where is no JSON/],
    [{ limit: '0' }, /--limit is a number from 1 to 10,000 or all, not 0/],
    [{ limit: '1e3' }, /--limit is a number/],
    [{ order: 'up' }, /--order is newest or oldest/],
    [{ from: 'tomorrow' }, /--from is a position, a time/],
    [{ to: '2026-13-01' }, /--to is a position, a time/],
  ] as const)
    it(`are refused in one line: ${JSON.stringify(options)}`, () => {
      expect(() => parseSelecting(options)).to.throw(Problem, complaint);
    });
});
