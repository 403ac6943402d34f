import { expect } from 'chai';
import sinon from 'sinon';
import { readLines } from '../../plugins/cli/lines.ts';
import type { Line } from '../../plugins/cli/lines.ts';
import { recordedLog } from '../../plugins/cli/recorded-log.ts';
import { toRecordedEvent } from '../../plugins/cli/recorded-event.ts';
import { Tally } from '../../plugins/cli/tally.ts';

async function* chunks(...parts: readonly (string | Buffer)[]) {
  for (const part of parts) yield Buffer.from(part as string);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

async function* endless() {
  for (let i = 0; i < 20; i++) yield Buffer.alloc(1024 * 1024, 0x61);
  yield Buffer.from('\nb\n');
}

const logOf = (text: string) => recordedLog('x.txt', readLines(chunks(text)));

const line = (value: unknown): Line => ({ number: 7, text: typeof value === 'string' ? value : JSON.stringify(value) });

describe('lines of a recorded log', () => {
  it('come whole whatever the chunks, numbered, without the blank ones', async () => {
    const lines = await all(readLines(chunks('a\nb', 'c\n\n', ' \nd\u00e9', '\r\n', 'e')));
    expect(lines.map(({ number, text }) => [number, text.trim()])).to.deep.equal([
      [1, 'a'],
      [2, 'bc'],
      [5, 'dé'],
      [6, 'e'],
    ]);
  });

  it('are told as damaged where they are not UTF-8', async () => {
    const [first, second] = await all(readLines(chunks(Buffer.from([0x61, 0xff, 0x0a]), 'b\n')));
    expect(first!.damage).to.equal('the line is not UTF-8 text');
    expect(second).to.deep.equal({ number: 2, text: 'b' });
  });

  it('are passed by where they are too long to be an event', async () => {
    const joined = sinon.spy(Buffer, 'concat');
    const [first, second] = await all(readLines(endless()));
    const held = joined.args.map(([parts]) => parts.reduce((sum, part) => sum + part.length, 0));
    joined.restore();
    expect(Math.max(...held)).to.be.at.most(16 * 1024 * 1024);
    expect(first!.damage).to.contain('20971520 bytes');
    expect(first!.text.length).to.be.at.most(64 * 1024);
    expect(second!.text).to.equal('b');
  });

  it('lose a byte order mark', async () => {
    const [first] = await all(readLines(chunks('\ufeff{}\n')));
    expect(first!.text).to.equal('{}');
  });
});

describe('a recorded event', () => {
  it('keeps id, time, source, correlation and cause', () => {
    const { type, payload, options, hasTime } = toRecordedEvent(
      line({
        id: 'swe:x#1',
        type: 'a.done',
        source: 's',
        time: '2024-04-01T00:00:00Z',
        correlationId: 'c',
        causationId: 'd',
        payload: { a: 1 },
      }),
      5,
    );
    expect({ type, payload, hasTime }).to.deep.equal({ type: 'a.done', payload: { a: 1 }, hasTime: true });
    expect(options).to.deep.equal({
      id: 'swe:x#1',
      time: '2024-04-01T00:00:00Z',
      correlationId: 'c',
      causationId: 'd',
      source: 's',
      metadata: {},
    });
  });

  it('has the time of import where it had none', () => {
    const { options, hasTime } = toRecordedEvent(line({ type: 'a.done' }), 5);
    expect([options['time'], hasTime]).to.deep.equal([5, false]);
  });

  for (const [subject, entity] of [
    ['sample/1', 'sample/1'],
    ['alice', 'subject/alice'],
    ['get /content', 'subject/get /content'],
    ['kind/', 'subject/kind/'],
    ['', undefined],
    [null, undefined],
  ] as const)
    it(`makes ${JSON.stringify(subject)} the entity ${String(entity)}`, () =>
      expect(toRecordedEvent(line({ type: 'a.done', subject }), 5).options['entity']).to.equal(entity));

  for (const [what, text, message] of [
    ['malformed JSON', '{"type":', /^line 7 is not JSON/],
    ['an array', '[1]', /^expected line 7 to be a JSON object, got an array of 1/],
    ['a bare number', '5', /^expected line 7 to be a JSON object, got 5 \(number\)/],
    ['no type', '{"id":"x"}', /^expected `type` in line 7 to be a string, got undefined/],
  ] as const)
    it(`is refused for ${what}`, () =>
      expect(() => toRecordedEvent(line(text), 5))
        .to.throw(message)
        .with.property('code', 'IMPORT_REFUSED'));
});

describe('a recorded log', () => {
  it('is known by an event among its first twenty lines, and then begins at its first', async () => {
    const lines = await all(await logOf('oops\n{"type":"a.done"}\n{}\n'));
    expect(lines.map(({ number }) => number)).to.deep.equal([1, 2, 3]);
  });

  for (const [what, text, message] of [
    [
      'prose',
      'Dear diary\nnothing\n',
      'x.txt is not a recorded log: none of its first 2 lines is a JSON object with a `type`',
    ],
    [
      'one JSON document',
      '[\n {"type":"a"},\n {"type":"b"}\n]\n',
      'x.txt is not a recorded log: it begins with "[", but one JSON object a line is expected',
    ],
    ['nothing', '\n\n', 'x.txt holds no events: it is empty'],
  ] as const)
    it(`is not ${what}`, async () => {
      const error = await logOf(text).then(
        () => undefined,
        (problem: Error) => problem,
      );
      expect(error?.message).to.equal(message);
    });
});

describe('a tally', () => {
  it('counts, and says what came after it was full', () => {
    const tally = new Tally(2);
    for (const key of ['a', 'b', 'b', 'c', 'a', 'b']) tally.add(key);
    expect(tally.top()).to.deep.equal([
      ['b', 3],
      ['a', 2],
    ]);
    expect([tally.size, tally.overflow]).to.deep.equal([2, 1]);
  });
});
