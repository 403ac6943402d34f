import { expect } from 'chai';
import sinon from 'sinon';
import { startProgressLine } from '../../plugins/cli/progress-line.ts';
import { widthOf } from '../../plugins/cli/render/text.ts';

describe('the progress line', () => {
  afterEach(() => sinon.restore());

  it('stays within a narrow terminal, however long it was before', () => {
    const clock = sinon.useFakeTimers();
    const written: string[] = [];
    const stream = { isTTY: true, columns: 32, write: (text: string) => void written.push(text) };
    const texts = ['x'.repeat(60), 'y'.repeat(60), 'short'];
    const line = startProgressLine(stream as object as NodeJS.WriteStream, () => texts.shift() ?? 'short');
    clock.tick(300);
    line.stop();
    const lines = written.filter((text) => text.startsWith('\r')).map((text) => widthOf(text.slice(1)));
    expect(lines).to.deep.equal([31, 31, 31]);
  });
});
