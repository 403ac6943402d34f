import { expect } from 'chai';
import fc from 'fast-check';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { createTestBus } from '../../lib/testing.ts';
import { createGate, turn, type Gate } from '../support/turns.ts';
import { createLaneModel, type LaneModel, type Policy } from '../support/lane-model.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

interface Job {
  readonly key: string;
  readonly number: number;
}

describe('asynchronous handlers', () => {
  refuseUnhandledRejections();

  it('run one at a time, in order', async () => {
    const { bus } = await createTestBus();
    const log: string[] = [];
    const gates = new Map<unknown, Gate>();
    bus.on('a', async ({ payload }) => {
      log.push(`start ${String(payload)}`);
      const gate = createGate();
      gates.set(payload, gate);
      await gate.promise;
      log.push(`end ${String(payload)}`);
    });
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    for (const payload of [1, 2, 3]) {
      expect(log.at(-1)).to.equal(`start ${payload}`);
      gates.get(payload)!.open();
      await turn();
    }
    expect(log).to.deep.equal(['start 1', 'end 1', 'start 2', 'end 2', 'start 3', 'end 3']);
  });

  it('run side by side and out of order with `concurrency` alone, which says so', async () => {
    const { bus } = await createTestBus();
    const gates: Gate[] = [];
    let running = 0;
    bus.on(
      'a',
      async () => {
        running++;
        const gate = createGate();
        gates.push(gate);
        await gate.promise;
        running--;
      },
      { concurrency: 3 },
    );
    for (let i = 0; i < 5; i++) bus.emit('a', i);
    expect(running).to.equal(3);
    gates[1]!.open();
    await turn();
    expect([running, gates.length]).to.deep.equal([3, 4]);
    expect(bus.metrics().subscriptions.at(-1)).to.deep.include({ order: 'none', handled: 1, running: 3, queued: 1 });
  });

  it('run side by side for different keys and in order within one', async () => {
    const { bus } = await createTestBus();
    const log: string[] = [];
    const gates: Gate[] = [];
    bus.on(
      'a',
      async ({ payload }) => {
        log.push((payload as { text: string }).text);
        const gate = createGate();
        gates.push(gate);
        await gate.promise;
      },
      { key: 'payload.key' },
    );
    for (const text of ['x1', 'x2', 'y1', 'x3', 'z1']) bus.emit('a', { key: text[0]!, text });
    expect(log).to.deep.equal(['x1', 'y1', 'z1']);
    gates[0]!.open();
    await turn();
    expect(log).to.deep.equal(['x1', 'y1', 'z1', 'x2']);
    expect(bus.metrics().subscriptions.at(-1)).to.deep.include({ order: 'key', running: 3, queued: 1 });
  });

  it('give every key its turn where fewer may run than there are keys', async () => {
    const { bus } = await createTestBus();
    const log: string[] = [];
    const next: (() => void)[] = [];
    bus.on(
      'a',
      async ({ payload }) => {
        log.push(String(payload));
        await new Promise<void>((resolve) => next.push(resolve));
      },
      { key: (event: TelltaleEvent) => String(event.payload)[0], concurrency: 1 },
    );
    for (const payload of ['x1', 'x2', 'x3', 'y1', 'z1']) bus.emit('a', payload);
    for (let i = 0; i < 5; i++) {
      next[i]!();
      await turn();
    }
    expect(log).to.deep.equal(['x1', 'y1', 'z1', 'x2', 'x3']);
  });

  const policy = fc.constantFrom<Policy>('reject', 'drop-oldest', 'latest-by-key');
  const command = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('emit' as const), key: fc.constantFrom('', 'x', 'y', 'z') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('finish' as const), pick: fc.nat(), ok: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  );
  const terms = fc.record({ policy, concurrency: fc.integer({ min: 1, max: 4 }), max: fc.integer({ min: 1, max: 5 }) });

  it('keep to the model of lanes under random load: order, width, retries, drops and books', async () => {
    await fc.assert(
      fc.asyncProperty(
        terms,
        fc.array(command, { minLength: 1, maxLength: 60, size: 'max' }),
        async (limits, commands) => {
          const run = await startRun(limits);
          let number = 0;
          for (const one of commands) {
            if (one.do === 'emit') run.emit({ key: one.key, number: number++ });
            else if (one.do === 'finish') run.finish(one.pick, one.ok);
            else await run.clock.advance(RETRY_MS);
            await turn();
            run.check();
          }
          await run.drain();
        },
      ),
      { numRuns: 60 },
    );
    // Thousands of turns of the event loop: where others keep the processors busy they take many times as long.
  }).timeout(60_000);
});

describe('a queue that waits', () => {
  refuseUnhandledRejections();

  type Waiting = { pattern: string; queued: number; running: number; waitedMs: number; options: string[] };

  async function startWaiting(options: object) {
    const { bus, clock } = await createTestBus();
    const reports: Waiting[] = [];
    bus.on('$bus.subscription.waiting', ({ payload }) => void reports.push(payload as Waiting));
    const gates: Gate[] = [];
    bus.on(
      'a',
      async () => {
        const gate = createGate();
        gates.push(gate);
        await gate.promise;
      },
      options,
    );
    return { bus, clock, reports, gates };
  }

  it('is reported once when it has waited for a second behind one handler, with the options that help', async () => {
    const { bus, clock, reports } = await startWaiting({});
    for (let i = 0; i < 3; i++) bus.emit('a', i);
    await clock.advance(999);
    expect(reports).to.deep.equal([]);
    await clock.advance(1);
    expect(reports).to.have.length(1);
    expect(reports[0]).to.deep.include({ pattern: 'a', queued: 2, running: 1, waitedMs: 1_000 });
    expect(reports[0]!.options).to.include('key with concurrency');
    await clock.advance(60_000);
    bus.emit('a', 4);
    await clock.advance(60_000);
    expect(reports).to.have.length(1);
  });

  it('is not reported while handlers end within a second, nor where nothing waits', async () => {
    const { bus, clock, reports, gates } = await startWaiting({});
    for (let i = 0; i < 10; i++) bus.emit('a', i);
    for (let i = 0; i < 9; i++) {
      await clock.advance(900);
      gates[i]!.open();
    }
    await clock.advance(10_000);
    expect(reports).to.deep.equal([]);
  });

  it('is reported for one stuck key though other keys move on', async () => {
    const { bus, clock, reports, gates } = await startWaiting({ key: 'payload', concurrency: 4 });
    bus.emit('a', 'stuck');
    bus.emit('a', 'stuck');
    for (let i = 1; i <= 5; i++) {
      bus.emit('a', 'other');
      await clock.advance(300);
      gates[i]!.open();
      await turn();
    }
    expect(reports).to.have.length(1);
    expect(reports[0]!.options).to.deep.equal(['concurrency']);
  });

  it('is not reported for one slow handler among several that take from the same queue', async () => {
    const { bus, clock, reports, gates } = await startWaiting({ concurrency: 2 });
    for (let i = 0; i < 20; i++) bus.emit('a', i);
    for (let i = 1; i < 15; i++) {
      await clock.advance(300);
      gates[i]!.open();
    }
    expect(reports).to.deep.equal([]);
  });

  it('is reported for each of two subscriptions of one pattern', async () => {
    const { bus, clock, reports } = await startWaiting({});
    bus.on('a', () => new Promise(() => undefined));
    bus.emit('a', 1);
    bus.emit('a', 2);
    await clock.advance(2_500);
    expect(reports).to.have.length(2);
  });
});

const RETRY_MS = 100;

/** A subscription under test beside its model. */
async function startRun(limits: { policy: Policy; concurrency: number; max: number }) {
  const clock = createVirtualClock();
  const bus = await createBus({ clock });
  const model: LaneModel = createLaneModel(limits);
  const gates = new Map<number, Gate>();
  bus.on('$bus.handler.failed', () => undefined);
  bus.on(
    'job',
    ({ payload }, { attempt }) => {
      const job = payload as Job;
      model.started(job.number, attempt);
      const gate = createGate();
      gates.set(job.number, gate);
      return gate.promise;
    },
    {
      key: 'payload.key',
      concurrency: limits.concurrency,
      retry: { attempts: 2, delay: RETRY_MS, jitter: 0 },
      mailbox: { max: limits.max, overflow: limits.policy },
    },
  );
  const figures = () => bus.metrics().subscriptions.find(({ pattern }) => pattern === 'job')!;
  const finish = (pick: number, ok: boolean): void => {
    const numbers = [...gates.keys()];
    const number = numbers[pick % numbers.length];
    if (number === undefined) return;
    const gate = gates.get(number)!;
    gates.delete(number);
    model.finishing(number, ok);
    if (ok) gate.open();
    else gate.fail(new Error('boom'));
  };
  return {
    clock,
    finish,
    emit(job: Job): void {
      model.emitting(job);
      bus.emit('job', job);
    },
    check: () => model.check(figures()),
    async drain(): Promise<void> {
      while (figures().running > 0) {
        finish(0, true);
        await clock.advance(RETRY_MS);
        model.check(figures());
      }
      model.expectDone();
    },
  };
}
