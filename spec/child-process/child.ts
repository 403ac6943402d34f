import { appendFileSync, closeSync } from 'node:fs';
import { connectToParent } from 'telltale/plugins/child-process';

/** A child process of the specs: `process.argv[2]` says which. */
const [, , role = 'worker', ledger = ''] = process.argv;
/** Survives whatever becomes of this process. */
const note = (line: string): void => appendFileSync(ledger, `${line}\n`);

const ROLES: Readonly<Record<string, () => Promise<void>>> = {
  /** Answers every job by an event, and notes it. */
  async worker() {
    const bus = await connectToParent();
    bus.on('job.asked', async ({ payload }, { emit, publish }) => {
      const { n, way } = payload as { n: number; way?: 'emit' };
      await new Promise((resolve) => setImmediate(resolve));
      if (way === 'emit') emit('job.done', { n, pid: process.pid });
      else await publish('job.done', { n, pid: process.pid });
      if (ledger) note(String(n));
    });
    bus.on('job.shared', ({ payload }) => bus.emit('job.taken', { n: payload, pid: process.pid }), { group: 'all' });
    bus.on('job.failed', () => {
      throw Object.assign(new RangeError('as it is meant to'), { code: 'E_MEANT' });
    });
    bus.answer('pid', () => process.pid);
    bus.answer('relay', ({ payload }, { ask }) => ask('secret', payload));
    bus.answer('failing', () => {
      throw Object.assign(new TypeError('wrong'), { code: 'E_WRONG', cause: new Error('below') });
    });
    bus.on('die', async ({ payload }) => {
      // It says so, because from then on it does nothing more.
      if (payload === 'loop') await bus.publish('child.stands', null);
      setImmediate(() => dieOf(payload));
      await new Promise(() => undefined);
    });
  },

  /** Takes a flood, and makes one. */
  async flood() {
    const bus = await connectToParent();
    let taken = 0;
    bus.on('flood.down', () => void taken++);
    bus.answer('flood.taken', () => taken);
    bus.answer('flood.wanted', async ({ payload }) => {
      for (let n = 0; n < Number(payload); n++) {
        bus.emit('flood.up', { n, text: 'x'.repeat(400) });
        if (n % 5_000 === 4_999) await bus.publish('flood.mark', n);
      }
    });
  },

  /** Publishes a thousand facts, each by its id, and notes those that were acknowledged. */
  async source() {
    const bus = await connectToParent();
    bus.emit('source.started', process.pid);
    const publish = async (n: number): Promise<void> => {
      await bus.publish('fact.found', n, { id: `fact-${n}` });
      note(String(n));
    };
    for (let n = 0; n < 1_000; n += 16)
      await Promise.all(Array.from({ length: Math.min(16, 1_000 - n) }, (_, i) => publish(n + i)));
    bus.emit('source.done', null);
  },

  async 'throws at start'() {
    await connectToParent();
    endQuietly();
    throw new TypeError('not today');
  },

  async 'ends at start'() {
    process.exit(3);
  },

  async 'cannot connect'() {
    endQuietly();
    await connectToParent({ store: 1 } as object);
  },

  async 'does not connect'() {
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },

  async 'other schema'() {
    const { z } = await import('zod');
    await connectToParent({ events: { 'job.asked': z.object({ other: z.string() }) } });
  },

  async talks() {
    process.on('message', (message) => {
      if (typeof message === 'string') process.send!(`${message}, too`);
    });
    const bus = await connectToParent();
    bus.on('ping', () => void bus.emit('pong', null));
  },
};

function dieOf(cause: unknown): void {
  if (cause === 'exit') process.exit(7);
  // As somebody might who takes the channel for his own.
  if (cause === 'babble') process.send!(['telltale:link', 'frame', 'no frame at all']);
  if (cause === 'error') {
    endQuietly();
    throw Object.assign(new RangeError('enough'), { code: 'E_ENOUGH' });
  }
  // oxlint-disable-next-line eslint/no-unmodified-loop-condition -- an endless loop is what it is for
  while (cause === 'loop');
}

/** What Node says of an error that nobody catches is not for the output of the tests. */
function endQuietly(): void {
  closeSync(2);
}

await ROLES[role]!();
