import { expect } from 'chai';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, memory, type Bus } from '../../lib/index.ts';
import { connectCluster, connectProcess, connectToParent } from '../../plugins/child-process/index.ts';
import { refusalOf } from '../support/code-of.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { SCRIPT, isAlive } from './pool.ts';

describe('a child process that somebody else has started', function () {
  this.timeout(30_000);
  let child: ChildProcess | undefined;
  let bus: Bus | undefined;
  afterEach(async () => {
    await bus?.close();
    child?.kill('SIGKILL');
  });

  for (const serialization of ['advanced', 'json'] as const) {
    it(`takes part in a bus beside what is said over its channel (${serialization})`, async () => {
      bus = await createBus();
      child = fork(SCRIPT, ['talks'], { serialization });
      const said: unknown[] = [];
      child.on('message', (message) => typeof message === 'string' && said.push(message));
      const pool = connectProcess(bus, child);
      await pool.ready;
      const pong = bus.once('pong');
      child.send('hello');
      bus.emit('ping', { text: 'grün ✓ "quoted"' });
      await pong;
      child.send('goodbye');
      while (said.length < 2) await once(child, 'message');
      expect(said).to.deep.equal(['hello, too', 'goodbye, too']);
      // The link ends, the process goes on.
      await pool.close();
      expect(isAlive(child.pid!)).to.equal(true);
      child.send('again');
      expect(await once(child, 'message')).to.deep.include('again, too');
    });
  }

  it('must be one that is there', async () => {
    bus = await createBus();
    expect(refusalOf(() => connectProcess(bus!, {} as ChildProcess)).code).to.equal('INVALID_OPTION');
    child = fork(SCRIPT, ['ends at start']);
    child.disconnect();
    expect(refusalOf(() => connectProcess(bus!, child!)).code).to.equal('INVALID_OPTION');
  });
});

describe('a child of a process that is killed', function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(quickFolder(), 'telltale-orphan-'));
  after(() => rmSync(folder, { recursive: true }));

  for (const orphaned of ['exit', 'stay'] as const)
    it(orphaned === 'exit' ? 'exits by itself' : 'goes on where it is told to stay', async () => {
      const note = join(folder, orphaned);
      const parent = fork(new URL('parent.js', import.meta.url), [orphaned, note]);
      const [pid] = (await once(parent, 'message')) as [number];
      expect(isAlive(pid)).to.equal(true);
      parent.kill('SIGKILL');
      while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(existsSync(note)).to.equal(orphaned === 'stay');
    });
});

describe('workers of a cluster', function () {
  this.timeout(30_000);

  it('take part in a bus, share a port, and end their servers when the bus closes', async () => {
    const bus = await createBus({ store: memory() });
    const listening: number[] = [];
    bus.on('server.listening', ({ payload }) => void listening.push(payload as number));
    const pool = connectCluster(bus, { script: new URL('member.js', import.meta.url), size: 2 });
    await pool.ready;
    while (listening.length < 2) await bus.once('server.listening');
    expect(listening[0]).to.equal(listening[1]);
    const answers = await Promise.all(
      [1, 2, 3, 4].map(async () => (await fetch(`http://127.0.0.1:${listening[0]}`)).text()),
    );
    expect(new Set(answers).size).to.equal(2);
    expect(await bus.count({ where: { type: 'request.answered' } })).to.equal(4);
    await bus.close();
    expect(pool.workers().map(({ status }) => status)).to.deep.equal(['closed', 'closed']);
  });
});

describe('connectToParent', () => {
  it('refuses a process that has no parent to connect to, and what it does not know', async () => {
    const { connected } = process;
    // The runner's own processes have a channel.
    Object.assign(process, { connected: false });
    try {
      expect((await rejectionOf(connectToParent())).code).to.equal('LINK_BROKEN');
    } finally {
      Object.assign(process, { connected });
    }
    const orphaned = 'go on' as 'stay';
    expect((await rejectionOf(connectToParent({ orphaned }))).code).to.equal('INVALID_OPTION');
  });
});
