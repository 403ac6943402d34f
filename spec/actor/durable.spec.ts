import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { codeOf } from '../support/code-of.ts';
import { createGate, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { booksOf, createActorBus } from './actor-bus.ts';
import { ledger } from './ledger-actor.ts';

const PROGRAM = fileURLToPath(new URL('./killed-actor.js', import.meta.url));

/** Runs the program until it ends by itself or is killed; answers what it has said. */
function run(...args: readonly string[]): Promise<{ readonly said: string; readonly signal: string | null }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [PROGRAM, ...args], (error, stdout, stderr) => {
      const { signal = null } = (error ?? {}) as { readonly signal?: string | null };
      if (error && signal === null) reject(new Error(stderr));
      else resolve({ said: stdout.trim(), signal });
    });
  });
}

describe('a durable actor', () => {
  refuseUnhandledRejections();

  it('handles what is stored for it once, in order, whether told or heard', async () => {
    const { bus } = await createActorBus();
    const actor = bus.actor('ledger', { ...ledger, on: 'amount.*' });
    actor.tell('add', 1);
    bus.emit('amount.a', 2);
    bus.emit('other.a', 100);
    actor.tell('amount.b', 3);
    await bus.settled();
    expect(await actor.state()).to.deep.equal({ sum: 6, seen: [1, 2, 3] });
    expect(booksOf(bus, 'ledger')).to.include({ routed: 3, handled: 3 });
  });

  it('is told what is transient at once, and answers what is asked, stored or not, once', async () => {
    const { bus } = await createActorBus();
    const actor = bus.actor<number>('a', {
      initial: 0,
      durable: true,
      receive: (n, _, { answer }) => {
        answer(n);
        return n + 1;
      },
    });
    actor.tell('x', 1, { transient: true });
    expect(await actor.state()).to.equal(1);
    expect(await actor.ask('y', 1)).to.equal(1);
    expect(await actor.ask('y', 1, { store: true })).to.equal(2);
    await bus.settled();
    expect(await actor.state()).to.equal(3);
  });

  it('makes a dead letter of what fails for good, and goes on behind it', async () => {
    const { bus, clock } = await createActorBus();
    let good = false;
    const actor = bus.actor<number>('a', {
      initial: 0,
      durable: true,
      supervise: { strategy: 'resume' },
      receive: (n, { payload }) => {
        if (payload === 2 && !good) throw new Error('not two');
        return n + 1;
      },
    });
    for (const n of [1, 2, 3]) actor.tell('x', n);
    await bus.settled();
    await clock.advance(1_000);
    expect(await actor.state()).to.equal(2);
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ recipient, position }) => [recipient, position])).to.deep.equal([['actor:a', 2]]);
    good = true;
    await bus.deadLetters.retry(letters[0]!.id);
    expect(await actor.state()).to.equal(3);
  });

  it('leaves in the log what comes behind the failure that ends it', async () => {
    const { bus } = await createActorBus();
    let good = false;
    const behaviour: Behaviour<number> = {
      initial: 0,
      durable: true,
      supervise: { strategy: 'stop' },
      receive: (n, { payload }) => {
        if (payload === 1 && !good) throw new Error('not one');
        return n + 1;
      },
    };
    const actor = bus.actor('a', behaviour);
    for (const n of [1, 2, 3]) actor.tell('x', n);
    await bus.settled();
    expect(codeOf(() => actor.tell('x', 4))).to.equal('ACTOR_STOPPED');
    await actor.stop();
    await turnsUntil(() => bus.metrics().consumers.length === 0);
    expect(await bus.deadLetters.list()).to.have.lengthOf(1);
    good = true;
    const again = bus.actor('a', behaviour);
    await turnsUntil(() => again.instances()[0]?.status === 'idle' && bus.metrics().actors[0]!.handled === 2);
    expect(await again.state()).to.equal(2);
  });

  it('leaves in the log what it has not begun when a closing bus has waited long enough', async () => {
    const { bus, clock } = await createActorBus({ closeTimeout: '1s' });
    const actor = bus.actor<number>('a', { initial: 0, durable: true, receive: () => new Promise(() => undefined) });
    for (const n of [1, 2, 3]) actor.tell('x', n);
    await turnsUntil(() => bus.metrics().actors[0]!.running === 1);
    const closing = bus.close();
    await clock.advance(20_000);
    expect(await closing).to.deep.include({ cut: 0, stillRunning: 1 });
    expect(bus.metrics().deadLetters).to.equal(0);
  });

  it('puts nothing off: its mailbox would wait for it', async () => {
    const { bus } = await createActorBus();
    const supervise = { strategy: 'resume' } as const;
    const actor = bus.actor('a', { initial: 0, durable: true, supervise, receive: (_, __, { stash }) => stash() });
    actor.tell('x', 1);
    await bus.settled();
    await bus.flush();
    expect((await bus.deadLetters.list())[0]!.error.code).to.equal('NOT_SUPPORTED');
  });

  it('has a lane for each key', async () => {
    const { bus } = await createActorBus();
    const gate = createGate();
    const actor = bus.actor<number>('a', {
      initial: 0,
      durable: true,
      key: 'payload',
      receive: async (n, { payload }) => {
        if (payload === 'slow') await gate.promise;
        return n + 1;
      },
    });
    for (const payload of ['slow', 'fast', 'slow', 'fast']) actor.tell('x', payload);
    await turnsUntil(() => bus.metrics().actors[0]!.handled === 2);
    expect(await actor.state('fast')).to.equal(2);
    gate.open();
    await bus.settled();
    expect(await actor.state('slow')).to.equal(2);
  });
});

describe('a process with a durable actor that is killed', function () {
  this.timeout(60_000);
  const all = Array.from({ length: 20 }, (_, i) => i + 1);
  let folder = '';
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'telltale-actor-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('handles after a restart what was told before, once', async () => {
    expect(await run(folder, 'before')).to.deep.equal({ said: 'told', signal: 'SIGKILL' });
    const { said } = await run(folder, 'run');
    expect(JSON.parse(said)).to.deep.equal({ sum: 210, seen: all, letters: 0 });
  });

  it('skips and repeats nothing, at whatever event it dies, before its facts are stored or behind', async () => {
    await run(folder, 'before');
    for (const [at, point] of [
      ['3', 'during'],
      ['2', 'after'],
      ['4', 'during'],
      ['5', 'after'],
    ] as const)
      expect((await run(folder, at, point)).signal, `${point} ${at}`).to.equal('SIGKILL');
    const { said } = await run(folder, 'run');
    expect(JSON.parse(said)).to.deep.equal({ sum: 210, seen: all, letters: 0 });
  });
});
