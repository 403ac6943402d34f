import { expect } from 'chai';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, fileTarget, memory, type FileTarget } from '../../lib/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn } from '../support/turns.ts';

interface Sum {
  sum: number;
}

const at = (position: number, key = 'k') => [{ key, position, epoch: 1 }];

describe('the file of a fileTarget', () => {
  let folder: string;
  let path: string;
  let file: FileTarget<Sum>;

  beforeEach(() => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-file-'));
    path = join(folder, 'sum.json');
    file = fileTarget(path, { sum: 0 });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is read in the handler too, as it was committed last', async () => {
    const bus = await createBus({ store: memory() });
    for (const n of [1, 2, 3]) await bus.publish('a', n);
    const before: number[] = [];
    const consumer = bus.consume(
      'sums',
      'a',
      async ({ payload }, { tx }) => {
        tx.state.sum += payload as number;
        before.push((await file.read()).sum);
      },
      { checkpointIn: file },
    );
    await consumer.caughtUp();
    expect([before, await file.read()]).to.deep.equal([[0, 1, 3], { sum: 6 }]);
    await bus.close();
  });

  it('refuses what is none, naming it', async () => {
    const contents: readonly [string, string][] = [
      ['', 'is empty'],
      ['no JSON', 'holds no JSON'],
      ['{}', 'was not written by'],
      ['[]', 'was not written by'],
      ['null', 'was not written by'],
      ['{"checkpoints":{},"state":{"sum":0}}', 'an earlier telltale'],
      ['{"checkpoints":{"k":{"position":"abc","epoch":1}},"skipped":[],"state":{"sum":0}}', 'checkpoint "k"'],
      ['{"checkpoints":{"k":null},"skipped":[],"state":{"sum":0}}', 'checkpoint "k"'],
      ['{"checkpoints":{},"skipped":[["k"]],"state":{"sum":0}}', 'skipped event'],
      ['{"checkpoints":{},"skipped":{},"state":{"sum":0}}', 'skipped event'],
    ];
    for (const [text, message] of contents) {
      writeFileSync(path, text);
      for (const call of [() => file.read(), () => file.claim(at(0)[0]!), () => file.commit(at(1), () => undefined)]) {
        const error = await rejectionOf(call());
        expect(error, text).to.include({ code: 'TARGET_BROKEN' });
        expect(error.message).to.contain(message).and.contain('sum.json');
      }
    }
  });

  it('cannot be in a folder that is not there', async () => {
    const nowhere = fileTarget(join(folder, 'missing', 'sum.json'), { sum: 0 });
    expect(await nowhere.read()).to.deep.equal({ sum: 0 });
    const error = await rejectionOf(nowhere.claim(at(0)[0]!));
    expect(error).to.include({ code: 'TARGET_BROKEN' });
    expect(error.message).to.contain('missing');
  });

  it('has a path, and a state of plain data', async () => {
    for (const bad of [undefined, null, '', 3, 'a\0b'])
      expect(() => fileTarget(bad as never, {}))
        .to.throw()
        .with.property('code', 'INVALID_OPTION');
    expect(() => fileTarget(path, undefined))
      .to.throw()
      .with.property('code', 'INVALID_OPTION');
    expect(() => fileTarget(path, { at: new Map() }))
      .to.throw()
      .with.property('code', 'PAYLOAD_NOT_PLAIN');
    await file.commit(at(1), ({ state }) => void (state.sum = 1));
    for (const bad of [undefined, { sum: 1n }, { sum: NaN }, { sum: new Date() }]) {
      const error = await rejectionOf(file.commit(at(2), (tx) => void (tx.state = bad as never)));
      expect(error.code).to.match(/^PAYLOAD_/u);
      expect(error.message).to.contain('sum.json');
    }
    expect([await file.read(), await file.claim(at(0)[0]!)]).to.deep.equal([{ sum: 1 }, { position: 1 }]);
  });

  it('is shared by several targets of one path, one commit after the other', async () => {
    const other = fileTarget<Sum>(join(folder, 'x', '..', 'sum.json'), { sum: 0 });
    const gate = createGate();
    const first = file.commit(at(1), async ({ state }) => {
      await gate.promise;
      state.sum += 1;
    });
    const second = other.commit(at(2, 'other'), ({ state }) => void (state.sum += 10));
    await turn();
    gate.open();
    await Promise.all([first, second]);
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => [file, other][n % 2]!.commit([], (tx) => void tx.state.sum++)),
    );
    expect(await file.read()).to.deep.equal({ sum: 31 });
    expect(readdirSync(folder)).to.deep.equal(['sum.json']);
  });

  it('keeps the checkpoint of a consumer of any name', async () => {
    for (const key of ['constructor', '__proto__', 'toString']) {
      expect(await file.claim({ key, position: 3, epoch: 1 })).to.include({ position: 3 });
      await file.commit(at(5, key), () => undefined);
      expect(await file.claim({ key, position: 0, epoch: 2 })).to.include({ position: 5 });
    }
  });
});
