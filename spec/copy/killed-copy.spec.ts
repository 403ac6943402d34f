import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { copyStore, jsonFile } from '../../lib/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { contentOf } from './logs.ts';

const SCRIPT = join(import.meta.dirname, 'killed-copy.js');
const EVENTS = 15_000;

/** Copies in a process of its own, which is killed when it has told so many stretches. Answers the last word it said. */
function copyInProcess(from: string, to: string, stretches: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SCRIPT, from, to, `${stretches}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    child.on('error', reject);
    child.on('close', () => resolve(text.trimEnd().split('\n').at(-1)!));
  });
}

describe('a copy whose process is killed', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'telltale-killed-copy-'));
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];

  before(async () => {
    const source = jsonFile(from, { segmentEvents: 2_048, durability: 'os' });
    await source.open();
    for (let n = 0; n < EVENTS; n += 1_000)
      await source.append(
        Array.from({ length: 1_000 }, (_, i) => buildEvent({ id: `k-${n + i}`, entity: `task/${(n + i) % 5}` })),
      );
    await source.remove(
      Array.from({ length: 40 }, (_, i) => ({ from: i * 100 + 5, to: i * 100 + 9 })),
      'here and there',
    );
    await source.remove([{ from: 13_500, to: EVENTS }], 'too new');
    await source.putDocument('checkpoints', 'reader', { position: 5_000 }, { position: 5_000 });
    await source.close();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is gone on with until it is whole, and loses and doubles nothing', async () => {
    const reached: number[] = [];
    for (let kills = 0; kills < 3; kills++) reached.push(Number(await copyInProcess(from, to, 2)));
    expect(reached).to.deep.equal(reached.toSorted((a, b) => a - b));
    expect(reached[0]).to.be.greaterThan(0).and.lessThan(EVENTS);
    const [source, target] = [jsonFile(from, { readOnly: true }), jsonFile(to)];
    await source.open();
    const report = await copyStore(source, target);
    expect(report.resumedFrom).to.be.at.least(reached.at(-1)!);
    await target.open();
    try {
      const [mine, its] = [await contentOf(target), await contentOf(source)];
      for (const [name, value] of Object.entries(its)) expect(mine, name).to.have.deep.property(name, value);
      expect(target.health().notices).to.deep.equal([]);
    } finally {
      await target.close();
      await source.close();
    }
  });
});
