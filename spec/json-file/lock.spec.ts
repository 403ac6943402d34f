import { expect } from 'chai';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { event, idsOf, rejection } from './log-on-disk.ts';

const WRITER = join(import.meta.dirname, '../support/kill-writer.js');

describe('json-file: lock', function () {
  this.timeout(30_000);
  let folder: string;

  const children: ChildProcess[] = [];

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'telltale-lock-'))));
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  function writeLock(owner: Record<string, unknown>): void {
    const dead = {
      token: 'abc',
      host: hostname(),
      boot: '',
      pid: process.pid,
      started: '',
      opener: 'elsewhere.ts:1',
      ...owner,
    };
    writeFileSync(join(folder, 'lock'), JSON.stringify(dead));
  }

  /** Another process that has the log open and has appended. */
  async function otherWriter(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [WRITER, '7', '0', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let text = '';
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      text += String(chunk);
      if (text.split('\n').length > 2) break;
    }
    child.stdout.resume();
    return child;
  }

  async function opens(options = {}): Promise<void> {
    const store = jsonFile(folder, options);
    await store.open();
    await store.append([event()]);
    await store.close();
  }

  it('names file and line of the first opener when one process opens a log twice', async () => {
    const first = jsonFile(folder);
    await first.open();
    const error = await rejection(jsonFile(folder).open());
    expect(error.code).to.equal('STORE_LOCKED');
    expect(error.message).to.match(/this process at .*lock\.spec\.(js|ts):\d+/);
    await first.append([event()]);
    await first.close();
    await opens();
  });

  it('names process and host when another process has it, and takes it over when that one was killed', async () => {
    const child = await otherWriter();
    const error = await rejection(jsonFile(folder).open());
    expect(error.code).to.equal('STORE_LOCKED');
    expect(error.details).to.include({ pid: child.pid, host: hostname() });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await opens();
  });

  it('lets one of eight contenders win a dead lock', async () => {
    writeLock({ pid: 2 ** 22 + 1, token: 'dead' });
    const stores = Array.from({ length: 8 }, () => jsonFile(folder));
    const answers = await Promise.allSettled(stores.map((store) => store.open()));
    expect(answers.filter(({ status }) => status === 'fulfilled').length).to.equal(1);
    await Promise.all(stores.map((store) => store.close()));
    expect(readdirSync(folder).filter((name) => name.includes('claim') || name === 'lock')).to.deep.equal([]);
  });

  it('lets one of four processes win a dead lock', async () => {
    writeLock({ pid: 2 ** 22 + 1, token: 'dead' });
    const contenders = Array.from({ length: 4 }, (_, i) =>
      spawn(process.execPath, [WRITER, String(i), '0', folder], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    children.push(...contenders);
    const outcomes = await Promise.all(
      contenders.map((child) =>
        Promise.race([once(child.stdout, 'data').then(() => 'open'), once(child, 'exit').then(() => 'refused')]),
      ),
    );
    expect(outcomes.toSorted((a, b) => a.localeCompare(b))).to.deep.equal(['open', 'refused', 'refused', 'refused']);
  });

  it('sees that a pid was given to another process, and that the machine was started anew', async () => {
    writeLock({ started: '1' });
    await opens();
    writeLock({ boot: 'another-boot' });
    await opens();
  });

  it("never takes another host's lock, except by force", async () => {
    writeLock({ host: 'elsewhere.example' });
    const error = await rejection(jsonFile(folder).open());
    expect(error.code).to.equal('STORE_LOCKED');
    expect(error.message).to.match(/on elsewhere\.example.*force: true/);
    await opens({ force: true });
  });

  it('takes over a lock that was never written', async () => {
    writeFileSync(join(folder, 'lock'), '');
    await opens();
  });

  it('leaves a lock alone that is not its own any more', async () => {
    const store = jsonFile(folder);
    await store.open();
    writeLock({ token: 'stolen' });
    await store.close();
    expect(readFileSync(join(folder, 'lock'), 'utf8')).to.match(/stolen/);
  });

  it('needs no lock to read', async () => {
    await otherWriter();
    const reader = jsonFile(folder, { readOnly: true });
    await reader.open();
    expect((await idsOf(reader)).length).to.be.greaterThan(0);
    expect((await rejection(reader.append([event()]))).code).to.equal('STORE_READ_ONLY');
    await reader.close();
  });
});
