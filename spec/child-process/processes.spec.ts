import { expect } from 'chai';
import { memory } from '../../lib/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turn } from '../support/turns.ts';
import { leastHoldMs } from '../support/loop-hold.ts';
import { endAll, isAlive, startPool, type Started } from './pool.ts';

const FLOOD = 10_000;
/** What no flood may hold up the timers of the parent for. */
const HOLD_MS = 20;

// Real processes take real time; they are their own kind of test.
describe('child processes that take part in a bus', function () {
  this.timeout(30_000);

  describe('in a pool', () => {
    let started: Started;

    before(async () => {
      started = await startPool({ size: 2, credits: 4 });
      await started.pool.ready;
    });
    after(endAll);

    it('are handed what they subscribe, and what they emit is stored with its cause', async () => {
      const { bus, ofType, until } = started;
      const asked = bus.emit('job.asked', { n: -1, text: 'grün ✓' }, { metadata: { requestId: 'r' } });
      await until(() => ofType('job.done').length === 1);
      const [done] = ofType('job.done');
      expect(done).to.deep.include({ causationId: asked.id, correlationId: asked.id });
      expect(done!.source).to.match(/^main\/child-[12]$/);
      expect(done!.metadata).to.deep.equal({ requestId: 'r' });
      await bus.flush();
      const { events } = await bus.query({ where: { type: 'job.*' } });
      expect(events.map(({ payload }) => payload)).to.deep.equal([asked.payload, done!.payload]);
    });

    it('share the events of a pattern, each going to one of them', async () => {
      const { bus, ofType, until } = started;
      for (let n = 0; n < 200; n++) bus.emit('job.asked', { n, way: 'emit' });
      await until(() => ofType('job.done').length === 201);
      const done = ofType('job.done').map(({ payload }) => payload as { n: number; pid: number });
      const numbers = done.map(({ n }) => n).toSorted((a, b) => a - b);
      expect(numbers).to.deep.equal(Array.from({ length: 201 }, (_, i) => i - 1));
      expect(new Set(done.map(({ pid }) => pid)).size).to.equal(2);
      const handled = started.pool.workers().map((worker) => worker.handled);
      await bus.settled();
      expect(handled[0]! + handled[1]!).to.be.within(193, 201);
    });

    it('are members of a group beside handlers of this process', async () => {
      const { bus, ofType } = started;
      let here = 0;
      const own = async (): Promise<void> => {
        here++;
        await turn();
      };
      bus.on('job.shared', own, { group: 'all' });
      for (let n = 0; n < 300; n++) bus.emit('job.shared', n);
      // Whichever of them takes the last one.
      await bus.settled();
      expect(here + ofType('job.taken').length).to.equal(300);
      expect(here).to.be.within(1, 299);
      const taken = ofType('job.taken').map(({ payload }) => (payload as { n: number }).n);
      expect(new Set(taken).size).to.equal(300 - here);
    });

    it('fail by name, code and cause', async () => {
      const { bus } = started;
      bus.emit('job.failed', null);
      await bus.settled();
      await bus.flush();
      const [letter] = await bus.deadLetters.list();
      expect(letter).to.deep.include({ reason: 'handler-failed', recipient: 'job.failed' });
      expect(letter!.error).to.deep.include({ name: 'RangeError', message: 'as it is meant to', code: 'E_MEANT' });
    });

    it('answer questions and ask them, and an error keeps name, code and cause', async () => {
      const { bus } = started;
      bus.answer('secret', ({ payload }) => `${String(payload)}!`);
      expect(await bus.ask('relay', 'psst')).to.equal('psst!');
      const pids = (await bus.ask('pid', null, { to: 'all' })) as unknown as readonly unknown[];
      expect(pids).to.have.length(2);
      const error = await rejectionOf(bus.ask('failing', null));
      expect(error.code).to.equal('ASK_FAILED');
      expect(error.cause).to.deep.include({ name: 'TypeError', message: 'wrong', code: 'E_WRONG' });
      expect((error.cause as Error).cause).to.deep.include({ message: 'below' });
    });

    it('finish what they have when the bus closes, and none is left behind', async () => {
      const { bus, pool, ofType } = started;
      const before = ofType('job.done').length;
      for (let n = 0; n < 50; n++) bus.emit('job.asked', { n });
      const { cut } = await bus.close();
      expect(cut).to.equal(0);
      const done = ofType('job.done').map(({ payload }) => payload as { pid: number });
      expect(done.length - before).to.equal(50);
      expect(done.filter(({ pid }) => isAlive(pid))).to.deep.equal([]);
      expect(pool.workers().map(({ status }) => status)).to.deep.equal(['closed', 'closed']);
      await childrenGone();
    });
  });

  it('let the timers of their parent go on in a flood of 10,000 events each way, and its memory stays flat', async () => {
    const { bus, pool } = await startPool({
      role: 'flood',
      options: { store: memory({ capacity: 1_000 }) },
      listens: false,
    });
    try {
      await pool.ready;
      let came = 0;
      bus.on('flood.up', () => void came++);
      // What is compiled the first time holds the loop too, once.
      await bus.ask('flood.wanted', 1_000, { timeout: '30s' });
      came = 0;
      let floods = 0;
      const up = await leastHoldMs(() => {
        floods++;
        return bus.ask('flood.wanted', FLOOD, { timeout: '30s' });
      }, HOLD_MS);
      expect(came).to.equal(floods * FLOOD);
      floods = 0;
      const before = process.memoryUsage.rss();
      const down = await leastHoldMs(async () => {
        floods++;
        for (let n = 0; n < FLOOD; n++) {
          bus.emit('flood.down', { n, text: 'x'.repeat(400) }, { transient: true });
          if (n % 100 === 99) await turn();
          while (bus.metrics().subscriptions.some(({ queued }) => queued > 4_000)) await turn();
        }
        await bus.settled();
      }, HOLD_MS);
      expect(await bus.ask('flood.taken', null)).to.equal(floods * FLOOD);
      expect(up, 'ms held by events from the child').to.be.below(HOLD_MS);
      expect(down, 'ms held by events for the child').to.be.below(HOLD_MS);
      expect((process.memoryUsage.rss() - before) / 2 ** 20, 'MiB').to.be.below(50);
    } finally {
      await endAll();
    }
  });

  describe('that cannot start', () => {
    afterEach(endAll);

    const starts = {
      'there is no file': { script: '/nowhere/script.js', restart: { delay: 1 } },
      'has ended with code 3; see its stderr above': { role: 'ends at start', restart: false },
      '`store` is not an option': { role: 'cannot connect', restart: false },
      'not today': { role: 'throws at start', restart: false },
      'was not ready within 200 ms': { role: 'does not connect', startTimeout: '200ms', restart: false },
    } as const;
    for (const [text, terms] of Object.entries(starts)) {
      it(`are given up: ${text}`, async () => {
        const { bus, pool } = await startPool(terms);
        const error = await rejectionOf(pool.ready);
        expect(error.code).to.equal('WORKER_FAILED');
        expect(error.message).to.include(text);
        expect(bus.health().notices.join()).to.include(text);
      });
    }

    it('because the bus closes first are not left behind', async () => {
      const { bus, pool } = await startPool({ size: 2 });
      expect(childrenOfThis()).to.equal(2);
      await bus.close();
      expect((await rejectionOf(pool.ready)).code).to.equal('LINK_BROKEN');
      await childrenGone();
    });

    it('are refused where they declare a type otherwise', async () => {
      const { z } = await import('zod');
      const events = { 'job.asked': z.object({ n: z.number() }) };
      const { pool } = await startPool({ role: 'other schema', options: { events } });
      expect((await rejectionOf(pool.ready)).code).to.equal('SCHEMA_CONFLICT');
    });
  });
});

/** Resolves when no child process is left; it takes a process its time to end, however much this one turns. */
async function childrenGone(): Promise<void> {
  while (childrenOfThis() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Child processes that this one waits for. */
function childrenOfThis(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
}
