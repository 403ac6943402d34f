import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Store } from '../../lib/plugin.ts';
import { gapTest } from '../../plugins/cli/verify/gap-test.ts';
import type { Specimen } from '../../plugins/cli/verify/subject.ts';
import { Tidy } from '../../plugins/cli/verify/tidy.ts';
import { verifyStore } from '../../plugins/cli/verify/verify-store.ts';
import { memory } from '../../plugins/memory/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { root } from '../support/root.ts';

function specimenOf(create: () => Store, drop: () => Promise<void>): Specimen {
  return { reach: { url: 'memory:' }, create: async () => create(), drop };
}

const shared = (): Store =>
  new Proxy(memory(), {
    get: (store, name) => {
      if (name === 'supports') return { ...store.supports, shared: true };
      const member: unknown = Reflect.get(store, name);
      return typeof member === 'function' ? (member.bind(store) as unknown) : member;
    },
  });

describe('telltale verify, stopped', function () {
  this.timeout(180_000);
  let home: string;

  beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'telltale-stopped-'))));
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it('while it opens the first store, begins no test', async () => {
    const controller = new AbortController();
    const begun: string[] = [];
    const create = (): Store => {
      controller.abort();
      return memory();
    };
    const subject = { name: 'made here', specimen: async () => specimenOf(create, async () => undefined) };
    const verifying = verifyStore(subject, {
      signal: controller.signal,
      only: (name) => name.startsWith('never uses a position'),
      progress: (_, __, test) => void begun.push(test),
    });
    expect(await rejectionOf(verifying)).to.include({ code: 'ABORTED', message: 'stopped before the first test' });
    expect(begun).to.deep.equal([]);
  });

  it('with --json, says so beside the output and not in it', async () => {
    const words = [join(root, 'dist/plugins/cli/main.js'), 'verify', `sqlite:${home}/log.db`, '--json'];
    const child = spawn(process.execPath, words, { cwd: home });
    // The file of the first store.
    const watcher = watch(home, () => child.killed || child.kill('SIGINT'));
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    const code = await new Promise((resolve) => child.on('close', resolve));
    watcher.close();
    expect([code, out], err).to.deep.equal([130, '']);
    expect(err).to.match(/^stopped .*What the tests made is removed$/m);
    expect(readdirSync(home)).to.deep.equal([]);
  });

  it('removes what can be removed, and answers why something could not', async () => {
    const dropped: number[] = [];
    let made = 0;
    const drop = async (serial: number): Promise<void> => {
      if (serial === 1) throw new Error('held');
      dropped.push(serial);
    };
    const subject = { name: 'made here', specimen: async () => specimenOf(memory, drop.bind(undefined, ++made)) };
    const tidy = new Tidy(subject);
    for (let i = 0; i < 3; i++) await tidy.specimen();
    expect((await tidy.clear()).map(String)).to.deep.equal(['Error: held']);
    expect(dropped).to.deep.equal([2, 3]);
    expect(await tidy.clear()).to.deep.equal([]);
  });

  it('by a writing process that fails, has no other one left that writes', async () => {
    const [module, pids] = [join(home, 'store.mjs'), join(home, 'pids')];
    mkdirSync(pids);
    const text = `import { readdirSync, writeFileSync } from 'node:fs';
      const pids = ${JSON.stringify(pids)};
      export async function createStore() {
        if (process.argv[3] === '1') {
          while (readdirSync(pids).length === 0) await new Promise(setImmediate);
          throw new Error('no store');
        }
        writeFileSync(pids + '/' + process.pid, '');
        await new Promise(() => setInterval(() => undefined, 60_000));
      }`;
    writeFileSync(module, text);
    const specimen: Specimen = {
      reach: { module, name: 'x' },
      create: async () => shared(),
      drop: async () => undefined,
    };
    const error = await gapTest(specimen, 100).catch((thrown: unknown) => thrown);
    expect(String(error)).to.include('writing process 2 of 8: Error: no store');
    const alive = readdirSync(pids).filter((pid) => isAlive(Number(pid)));
    expect(alive).to.deep.equal([]);
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
