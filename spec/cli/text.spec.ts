import { expect } from 'chai';
import { bytes, counted, integer, milliseconds, moment } from '../../plugins/cli/render/figures.ts';
import { bars, table } from '../../plugins/cli/render/table.ts';
import { clean, cut, lookOf, pad, paint, widthOf, wrap } from '../../plugins/cli/render/text.ts';

const plain = { width: 40, colour: false };
const stream = (isTTY: boolean, columns = 80) => ({ isTTY, columns }) as unknown as NodeJS.WriteStream;

describe('text on a terminal', () => {
  it('is coloured on a terminal only, and not against NO_COLOR or a dumb terminal', () => {
    expect(lookOf(stream(true), {}).colour).to.equal(true);
    expect(lookOf(stream(false), {}).colour).to.equal(false);
    expect(lookOf(stream(true), { NO_COLOR: '1' }).colour).to.equal(false);
    expect(lookOf(stream(true), { TERM: 'dumb' }).colour).to.equal(false);
    expect(lookOf(stream(false), { FORCE_COLOR: '1' }).colour).to.equal(true);
    expect(paint(plain, 'red', 'x')).to.equal('x');
  });

  it('has 80 columns where nobody knows, and the terminal’s within reason', () => {
    expect(lookOf(stream(false, 200), {}).width).to.equal(80);
    expect(lookOf(stream(true, 100), {}).width).to.equal(100);
    expect(lookOf(stream(true, 500), {}).width).to.equal(120);
    expect(lookOf(stream(true, 0), {}).width).to.equal(80);
  });

  it('holds no control characters of somebody else', () => {
    expect(clean('a\u001b[2Jb\r\nc\u202ed')).to.equal('a\\x1b[2Jb c\\x202ed');
    expect(clean('é日本👩‍👩‍👧'.replaceAll('\u200d', ''))).to.equal('é日本👩👩👧');
  });

  it('is measured in columns', () => {
    expect(widthOf('abc')).to.equal(3);
    expect(widthOf('日本')).to.equal(4);
    expect(widthOf('e\u0301')).to.equal(1);
    expect(widthOf('\u001b[31mred\u001b[39m')).to.equal(3);
  });

  it('is cut to columns at either end and never through a character', () => {
    expect(cut('abcdef', 4)).to.equal('abc…');
    expect(cut('abcdef', 4, 'end')).to.equal('…def');
    expect(cut('日本語', 4)).to.equal('日…');
    expect(cut('abc', 3)).to.equal('abc');
    expect(cut('abc', 0)).to.equal('');
    expect(wrap('one two three four', 9, 3)).to.deep.equal(['one two', 'three', 'four']);
    expect(wrap('one two three four', 9, 2)).to.deep.equal(['one two', 'three fo…']);
    expect(wrap('abcdefghijkl', 5, 3)).to.deep.equal(['abcd', 'efgh', 'ijkl']);
    expect([wrap('', 5, 3), wrap('abc', 5, 3)]).to.deep.equal([[], ['abc']]);
    expect(pad('日', 4)).to.equal('日  ');
  });
});

describe('figures', () => {
  it('are grouped, counted and carry a unit', () => {
    expect([integer(1_234_567), integer(999), counted(1, 'file'), counted(2, 'file')]).to.deep.equal([
      '1,234,567',
      '999',
      '1 file',
      '2 files',
    ]);
    expect([0, 0.44, 12, 999.7, 2_500, 59_960, 185_000, 7_800_000, 1e9].map(milliseconds)).to.deep.equal([
      '0 ms',
      '0.4 ms',
      '12 ms',
      '1.0 s',
      '2.5 s',
      '1 min 00 s',
      '3 min 05 s',
      '2 h 10 min',
      '11 d 13 h',
    ]);
    expect([0, 999, 1_500, 20_000_000].map(bytes)).to.deep.equal(['0 B', '999 B', '1.5 kB', '20 MB']);
    expect([moment(0), moment(Number.NaN)]).to.deep.equal(['1970-01-01 00:00:00', 'no time']);
  });
});

describe('a table', () => {
  it('keeps to the width by cutting the column that may shrink', () => {
    const columns = [
      { title: 'file', shrink: 'start' },
      { title: 'lines', align: 'right' },
    ] as const;
    const lines = table(plain, columns, [
      ['a/very/long/path/that/does/not/fit/in/here.ts', '12'],
      ['b.ts', '3'],
    ]);
    expect(lines.every((line) => line.length <= 40)).to.equal(true);
    expect(lines[1]).to.match(/^ {2}….*here\.ts +12$/);
    expect(lines[2]).to.match(/^ {2}b\.ts +3$/);
  });

  it('draws a bar for every row that has something', () => {
    const lines = bars(plain, [
      ['many', 1_000, '1,000'],
      ['few', 1, '1'],
      ['none', 0, '0'],
    ]);
    expect(lines.every((line) => line.length <= 40)).to.equal(true);
    expect(lines.map((line) => line.split('█').length - 1)).to.deep.equal(
      [27, 1, 0].map((n, i) => (i === 0 ? lines[0]!.split('█').length - 1 : n)),
    );
    expect(lines[0]!.split('█').length).to.be.above(10);
  });
});
