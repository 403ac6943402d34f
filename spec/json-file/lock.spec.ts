import { expect } from 'chai';
import { spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { createVirtualClock } from '../../lib/clock.ts';
import type { Store } from '../../lib/store/port.ts';
import { nodeFileSystem } from '../../plugins/json-file/file-system.ts';
import type { FileSystem } from '../../plugins/json-file/file-system.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { FOLDER, event, idsOf, openOn, rejection, storeOn } from './log-on-disk.ts';

const WRITER = join(import.meta.dirname, '../support/kill-writer.js');
const CONTENDER = join(import.meta.dirname, '../support/lock-contender.js');
const LOCK = `${FOLDER}/lock`;

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
  after(() => contending?.kill());

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

  interface Contender {
    /** Each answers its next word. */
    begins(): Promise<string>;
    goesOn(): Promise<string>;
  }

  /** One process for all tests: starting it costs more than all that it does. */
  let contending: ChildProcessByStdio<Writable, Readable, null> | undefined;

  function contender(stallAt: string): Contender {
    const child = (contending ??= spawn(process.execPath, [CONTENDER], { stdio: ['pipe', 'pipe', 'inherit'] }));
    const told = async (line: string): Promise<string> => {
      const word = once(child.stdout, 'data');
      child.stdin.write(`${line}\n`);
      return String((await word)[0]).trim();
    };
    return { begins: () => told(JSON.stringify({ folder, stallAt })), goesOn: () => told('on') };
  }

  function age(seconds: number): void {
    const then = Date.now() / 1_000 - seconds;
    utimesSync(join(folder, 'lock'), then, then);
  }

  /** What is of a lock in the folder. */
  function leftovers(): string[] {
    return readdirSync(folder).filter((name) => name.startsWith('lock'));
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

  it('lets one of three processes win a dead lock', async () => {
    writeLock({ pid: 2 ** 22 + 1, token: 'dead' });
    const contenders = Array.from({ length: 3 }, (_, i) =>
      spawn(process.execPath, [WRITER, String(i), '0', folder], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    children.push(...contenders);
    const outcomes = await Promise.all(
      contenders.map((child) =>
        Promise.race([once(child.stdout, 'data').then(() => 'open'), once(child, 'exit').then(() => 'refused')]),
      ),
    );
    expect(outcomes.toSorted((a, b) => a.localeCompare(b))).to.deep.equal(['open', 'refused', 'refused']);
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

  for (const [what, text] of [
    ['empty', ''],
    ['cut off', '{"token":"abc","host":"el'],
    ['all zeros', '\0\0\0\0'],
  ] as const) {
    it(`takes over a lock that is ${what}, once it is a minute old`, async () => {
      writeFileSync(join(folder, 'lock'), text);
      const error = await rejection(jsonFile(folder).open());
      expect(error.code).to.equal('STORE_LOCKED');
      expect(error.message).to.match(/60 s old/);
      age(61);
      await opens();
      expect(leftovers()).to.deep.equal([]);
    });
  }

  for (const text of ['null', '{}', '[]', '7', 'garbage', '{"token":"../../x","pid":1}', `{"token":"a","pid":0}`]) {
    it(`leaves a lock alone that says ${text}, however old, except by force`, async () => {
      writeFileSync(join(folder, 'lock'), text);
      age(1e6);
      const error = await rejection(jsonFile(folder).open());
      expect(error.code).to.equal('STORE_LOCKED');
      expect(error.message).to.include(`expected ${join(folder, 'lock')} to be a lock`);
      expect(error.message)
        .to.include(`found ${JSON.stringify(text)}`)
        .and.to.include('force: true');
      await opens({ force: true });
      expect(leftovers()).to.deep.equal([]);
    });
  }

  it('says that a folder named lock is no lock, and sets it aside by force', async () => {
    mkdirSync(join(folder, 'lock'));
    writeFileSync(join(folder, 'lock', 'mine'), 'text');
    const error = await rejection(jsonFile(folder).open());
    expect(error.code).to.equal('STORE_LOCKED');
    expect(error.message).to.match(/found a folder.*force: true/);
    await opens({ force: true });
    const [aside] = leftovers();
    expect(readFileSync(join(folder, aside!, 'mine'), 'utf8')).to.equal('text');
  });

  it('never has a lock without its content where the disk knows hard links', async () => {
    const child = contender('draft');
    expect(await child.begins()).to.equal('stalled');
    expect(existsSync(join(folder, 'lock'))).to.equal(false);
    const store = jsonFile(folder);
    await store.open();
    expect(await child.goesOn()).to.equal('STORE_LOCKED');
    await store.append([event()]);
    await store.close();
    expect(leftovers()).to.deep.equal([]);
  });

  it('lets a writer that stalled before it wrote its lock win when nobody took it over', async () => {
    const child = contender('in-place');
    expect(await child.begins()).to.equal('stalled');
    expect((await rejection(jsonFile(folder).open())).code).to.equal('STORE_LOCKED');
    expect(await child.goesOn()).to.equal('open');
    expect(await child.goesOn()).to.equal('appended');
  });

  it('lets a writer that stalled before it wrote its lock see that it was taken over', async () => {
    const child = contender('in-place');
    expect(await child.begins()).to.equal('stalled');
    age(61);
    const store = jsonFile(folder);
    await store.open();
    expect(await child.goesOn()).to.equal('STORE_LOCKED');
    await store.append([event()]);
    await store.close();
  });

  it('looks again, once it may take a dead lock, whether it is still the same', async () => {
    const disk = new MemoryDisk();
    const owner = { token: 'dead', host: hostname(), boot: '', pid: 2 ** 22 + 1, started: '', opener: 'there' };
    await disk.makeFolder(FOLDER);
    await (await disk.open(LOCK, 'create')).write(Buffer.from(JSON.stringify(owner)), 0);
    disk.fault = ({ name, path }) => {
      const winner = { ...owner, token: 'winner', host: 'elsewhere' };
      if (name === 'link' && path.endsWith('dead.claim')) disk.damage(LOCK, Buffer.from(JSON.stringify(winner)));
      return undefined;
    };
    expect((await rejection(storeOn(disk, { force: false }).open())).message).to.match(/on elsewhere/);
    expect(disk.bytes(LOCK).toString()).to.match(/winner/);
    expect(disk.paths()).to.deep.equal([LOCK]);
  });

  it('puts a lock back that was written at the last moment', async () => {
    const disk = new MemoryDisk();
    await disk.makeFolder(FOLDER);
    const owner = { token: 'late', host: 'elsewhere', boot: '', pid: 1, started: '', opener: 'there' };
    const lock = await disk.open(LOCK, 'create');
    disk.fault = ({ name, path }) => {
      if (name === 'rename' && path.endsWith('.aside')) void lock.write(Buffer.from(JSON.stringify(owner)), 0);
      return undefined;
    };
    expect((await rejection(storeOn(disk, { force: false }).open())).message).to.match(/on elsewhere/);
    expect(disk.bytes(LOCK).toString()).to.match(/late/);
    expect(disk.paths()).to.deep.equal([LOCK]);
  });

  it('leaves no lock behind when making it fails halfway', async () => {
    for (let n = 2; n < 13; n++) {
      const disk = new MemoryDisk();
      disk.fault = ({ name, serial }) => (serial === n || name === 'link' ? 'EIO' : undefined);
      const store = storeOn(disk);
      const failed = await store.open().then(
        () => false,
        () => true,
      );
      expect(disk.paths().includes(LOCK), `operation ${n}`).to.equal(!failed);
      if (!failed) await store.close();
    }
  });

  it('stops a writer whose lock was taken by force before it first appended', async () => {
    const child = contender('nowhere');
    expect(await child.begins()).to.equal('open');
    const store = jsonFile(folder, { force: true });
    await store.open();
    expect(await child.goesOn()).to.equal('STORE_FAILED');
    expect((await store.append([event()])).position).to.equal(1);
    await store.close();
  });

  it('stops a writer whose lock was taken by force a second later at most', async () => {
    const disk = new MemoryDisk();
    const clock = createVirtualClock();
    const deposed = storeOn(disk);
    await deposed.open({ clock });
    await deposed.append([event()]);
    const next = await openOn(disk);
    await clock.advance(1_000);
    const error = await rejection(deposed.append([event()]));
    expect(error.code).to.equal('STORE_FAILED');
    expect(error.message).to.match(/taken over by this process at spec/);
    expect((await rejection(deposed.putDocument('a', 'b', 1))).code).to.equal('STORE_FAILED');
    expect(deposed.health().status).to.equal('failed');
    await deposed.close();
    expect((await next.append([event()])).position).to.equal(2);
    await next.close();
  });

  it('stops a writer that is deposed at once when it writes a document, or removes', async () => {
    const disk = new MemoryDisk();
    for (const write of [
      (store: Store) => store.putDocument('a', 'b', 1),
      (store: Store) => store.remove([{ from: 1, to: 1 }], 'old'),
      (store: Store) => store.sync(),
    ]) {
      const deposed = await openOn(disk);
      await deposed.append([event()]);
      const next = await openOn(disk);
      const before = disk.paths();
      expect((await rejection(write(deposed))).code).to.equal('STORE_FAILED');
      expect((await rejection(deposed.append([event()]))).code).to.equal('STORE_FAILED');
      expect(disk.paths()).to.deep.equal(before);
      await deposed.close();
      await next.close();
    }
  });

  for (const [what, spoil] of [
    ['was deleted', (path: string) => rmSync(path, { recursive: true })],
    ['was moved away', (path: string) => renameSync(path, `${path}.old`)],
    ['lost its lock', (path: string) => rmSync(join(path, 'lock'))],
    ['lost its segment', (path: string) => rmSync(join(path, '0000000000000001.ndjson'))],
    ['has another segment', (path: string) => writeFileSync(join(path, '0000000000000001.ndjson'), 'other')],
  ] as const) {
    it(`stops a writer whose folder ${what}`, async () => {
      const path = join(folder, 'log');
      const clock = createVirtualClock();
      const store = jsonFile(path);
      await store.open({ clock });
      await store.append([event()]);
      spoil(path);
      await clock.advance(1_000);
      const error = await rejection(store.append([event()]));
      expect(error.code).to.equal('STORE_FAILED');
      expect(error.message).to.include(path);
      expect(store.health().status).to.equal('failed');
      expect((await rejection(store.append([event()]))).code).to.equal('STORE_FAILED');
      await store.close();
    });
  }

  it('asks at most once a second whether folder and lock are still there, and takes a touched lock for its own', async () => {
    let asked = 0;
    const facts: FileSystem['facts'] = (path) => {
      asked++;
      return nodeFileSystem.facts(path);
    };
    const options = parseOptions(folder, { durability: 'os' });
    const store = new JsonFileStore(folder, options, { ...nodeFileSystem, facts }, 'spec');
    const clock = createVirtualClock();
    await store.open({ clock });
    asked = 0;
    for (let i = 0; i < 100; i++) await store.append([event()]);
    expect(asked).to.equal(2);
    age(100);
    for (const expected of [5, 7]) {
      await clock.advance(1_000);
      for (let i = 0; i < 100; i++) await store.append([event()]);
      expect(asked).to.equal(expected);
    }
    await store.close();
    expect(leftovers()).to.deep.equal([]);
  });

  it('leaves a lock alone that is not its own any more', async () => {
    const store = jsonFile(folder);
    await store.open();
    writeLock({ token: 'stolen' });
    await store.close();
    expect(readFileSync(join(folder, 'lock'), 'utf8')).to.match(/stolen/);
  });

  it('needs no lock to read', async () => {
    const child = contender('nowhere');
    expect(await child.begins()).to.equal('open');
    expect(await child.goesOn()).to.equal('appended');
    const reader = jsonFile(folder, { readOnly: true });
    await reader.open();
    expect((await idsOf(reader)).length).to.equal(1);
    expect((await rejection(reader.append([event()]))).code).to.equal('STORE_READ_ONLY');
    await reader.close();
  });
});
