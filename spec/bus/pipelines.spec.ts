import { expect } from 'chai';
import {
  type Observable,
  VirtualTimeScheduler,
  bufferCount,
  bufferTime,
  concatMap,
  delay,
  filter,
  interval,
  map,
  merge,
  take,
  tap,
} from 'rxjs';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { caused } from '../../lib/router/caused.ts';
import { createTestBus } from '../../lib/testing.ts';
import { createGate, turn, turnsUntil, warningsOf } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

type Source = Observable<TelltaleEvent>;

const output = (payload: unknown) => ({ type: 'out', payload });
const payloadsOf = (events: readonly TelltaleEvent[]): unknown[] => events.map(({ payload }) => payload);

async function startPipelines() {
  const test = await createTestBus();
  const failed: { name: string; error: { message: string } }[] = [];
  test.bus.on('$bus.pipeline.failed', ({ payload }) => void failed.push(payload as (typeof failed)[0]));
  test.bus.on('$bus.handler.failed', () => undefined);
  const outputs = () => test.ofType('out');
  const figures = () => test.bus.metrics().subscriptions.find(({ pattern }) => pattern === 'in');
  return { ...test, failed, outputs, figures };
}

describe('a pipeline', () => {
  refuseUnhandledRejections();

  it('turns the events of a pattern into new ones', async () => {
    const { bus, outputs } = await startPipelines();
    bus.pipeline('odd', 'in', (source$) =>
      source$.pipe(
        filter(({ payload }) => (payload as number) % 2 === 1),
        map(({ payload }) => output(payload)),
      ),
    );
    for (let i = 0; i < 4; i++) bus.emit('in', i);
    expect(payloadsOf(outputs())).to.deep.equal([1, 3]);
  });

  it('ends when undone, gives out what it holds, and leaves no timer of its own behind', async () => {
    const { bus, outputs, figures } = await startPipelines();
    const scheduler = new VirtualTimeScheduler();
    const undo = bus.pipeline('ticks', 'in', (source$: Source) =>
      merge(source$.pipe(bufferCount(3)), interval(10, scheduler)).pipe(
        map((one) => output(one)),
        take(100),
      ),
    );
    bus.emit('in', 1);
    undo();
    undo();
    expect(outputs()).to.have.length(1);
    scheduler.maxFrames = 1_000;
    scheduler.flush();
    expect(outputs()).to.have.length(1);
    expect(figures()).to.equal(undefined);
  });

  it('refuses a wrong name, pattern, build, and what the build throws', async () => {
    const { bus, figures } = await startPipelines();
    const wrong: readonly [string, string, unknown, string][] = [
      ['', 'in', (source$: Source) => source$, 'INVALID_OPTION'],
      ['p', 'in..', (source$: Source) => source$, 'INVALID_PATTERN'],
      ['p', 'in', 1, 'INVALID_OPTION'],
    ];
    for (const [name, pattern, build, code] of wrong)
      expect(() => bus.pipeline(name, pattern, build as never))
        .to.throw()
        .with.property('code', code);
    expect(() => bus.pipeline('p', 'in', () => raise('no'))).to.throw('no');
    expect(figures()).to.equal(undefined);
  });

  it('reports outputs that are none, or that the bus refuses, and goes on', async () => {
    const { bus, clock, outputs, failed } = await startPipelines();
    const made = [
      null,
      'text',
      { payload: 1 },
      { type: '$bus.x', payload: 1 },
      { type: 'out', payload: 1n },
      output(2),
    ];
    bus.pipeline('p', 'in', (source$: Source) => source$.pipe(map(({ payload }) => made[payload as number] as never)));
    for (const i of made.keys()) bus.emit('in', i);
    expect(payloadsOf(outputs())).to.deep.equal([2]);
    await clock.advance(1_000);
    expect(failed.map(({ name }) => name)).to.deep.equal(['p', 'p']);
  });

  it('isolates what the build itself subscribes to its source', async () => {
    const { bus, outputs, failed } = await startPipelines();
    bus.pipeline('p', 'in', (source$: Source) => {
      source$.subscribe(() => raise('side'));
      return source$.pipe(map(({ payload }) => output(payload)));
    });
    for (const payload of [1, 2]) bus.emit('in', payload);
    await turn();
    expect(payloadsOf(outputs())).to.deep.equal([1, 2]);
    expect(failed[0]!.error.message).to.equal('side');
  });
});

describe('the cause of a pipeline’s output', () => {
  refuseUnhandledRejections();

  it('is the event that is being delivered, for a plain output', async () => {
    const { bus, outputs } = await startPipelines();
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        bufferCount(2),
        map((events) => output(events.length)),
      ),
    );
    const [, second] = [1, 2].map((payload) => bus.emit('in', payload, { metadata: { userId: String(payload) } }));
    expect(outputs()[0]).to.deep.include({ causationId: second!.id, correlationId: second!.id });
    expect(outputs()[0]!.metadata).to.deep.equal({ userId: '2' });
    expect(bus.metrics().causelessOutputs).to.equal(0);
  });

  it('is none for a plain output made later, which is counted', async () => {
    const { bus, outputs } = await startPipelines();
    const gate = createGate();
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        concatMap(async ({ payload }) => {
          await gate.promise;
          return output(payload);
        }),
      ),
    );
    for (const payload of [1, 2]) bus.emit('in', payload);
    gate.open();
    await turnsUntil(() => outputs().length === 2);
    for (const event of outputs()) {
      expect(event).to.not.have.property('causationId');
      expect(event.correlationId).to.equal(event.id);
    }
    expect(bus.metrics().causelessOutputs).to.equal(2);
  });

  it('is the one event named by `caused`, whenever the output is made', async () => {
    const { bus, outputs } = await startPipelines();
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        concatMap(async (event) => {
          await turn();
          return caused(event, output(event.payload));
        }),
      ),
    );
    const sources = [1, 2, 3].map((payload) => bus.emit('in', payload, { metadata: { requestId: `r${payload}` } }));
    await turnsUntil(() => outputs().length === 3);
    for (const [i, event] of outputs().entries()) {
      expect(event).to.deep.include({ causationId: sources[i]!.id, correlationId: sources[i]!.id });
      expect(event.metadata).to.deep.equal({ requestId: `r${i + 1}` });
    }
    expect(bus.metrics().causelessOutputs).to.equal(0);
  });

  it('is several events named by `caused`, with their correlation where all agree', async () => {
    const { bus, outputs } = await startPipelines();
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        bufferCount(2),
        map((events) => caused(events, { ...output(1), options: { metadata: { tags: ['t'] } } })),
      ),
    );
    const emitIn = (correlationId: string) => bus.emit('in', null, { correlationId });
    const agreed = [emitIn('x'), emitIn('x')];
    const split = [emitIn('x'), emitIn('y')];
    const [one, other] = outputs();
    expect(one).to.deep.include({ correlationId: 'x', causationId: agreed[1]!.id });
    expect(one!.metadata).to.deep.equal({ tags: ['t'], causes: ids(agreed) });
    expect(other).to.deep.include({ correlationId: other!.id, causationId: split[1]!.id });
    expect(other!.metadata).to.deep.equal({ tags: ['t'], causes: ids(split) });
  });

  it('is what is stored above transient events', async () => {
    const { bus, outputs } = await startPipelines();
    bus.on('job', (_, { emit }) => {
      for (let i = 0; i < 2; i++) emit('in', i, { transient: true });
    });
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        bufferCount(2),
        map((events) => caused(events, output(1))),
      ),
    );
    const job = bus.emit('job', null);
    expect(outputs()[0]).to.deep.include({ causationId: job.id, correlationId: job.id });
    expect(outputs()[0]!.metadata).to.deep.equal({});
  });

  it('is kept where a buffer gives out by the clock', async () => {
    const { bus, outputs } = await startPipelines();
    const scheduler = new VirtualTimeScheduler();
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        bufferTime(1_000, scheduler),
        filter((events) => events.length > 0),
        map((events) => caused(events, output(events.map(({ payload }) => payload)))),
      ),
    );
    const correlationId = 'x';
    const sources = [1, 2].map((payload) => bus.emit('in', payload, { correlationId }).id);
    expect(outputs()).to.deep.equal([]);
    scheduler.maxFrames = 1_000;
    scheduler.flush();
    expect(outputs()).to.have.length(1);
    expect(outputs()[0]).to.deep.include({ payload: [1, 2], correlationId, causationId: sources[1] });
    expect(outputs()[0]!.metadata.causes).to.deep.equal(sources);
  });
});

describe('a failing pipeline', () => {
  refuseUnhandledRejections();

  it('is reported, fails the event it failed on, and loses nothing that comes meanwhile', async () => {
    const { bus, clock, outputs, failed, figures } = await startPipelines();
    bus.pipeline('p', 'in', fragile('at once'));
    let others = 0;
    bus.on('in', () => void others++);
    for (const payload of [1, 'bad', 2, 3]) bus.emit('in', payload);
    expect(payloadsOf(outputs())).to.deep.equal([1]);
    expect(others).to.equal(4);
    expect(failed).to.have.length(1);
    expect(failed[0]).to.deep.include({ name: 'p' });
    await clock.advance(20);
    expect(payloadsOf(outputs())).to.deep.equal([1, 2, 3]);
    expect(figures()).to.deep.include({ routed: 4, handled: 3, failed: 1 });
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.deep.include({ reason: 'handler-failed', position: 3 });
    bus.emit('in', 4);
    expect(payloadsOf(outputs())).to.deep.equal([1, 2, 3, 4]);
  });

  it('is built anew after an asynchronous failure too', async () => {
    const { bus, clock, outputs, failed } = await startPipelines();
    bus.pipeline('p', 'in', fragile('later'));
    bus.emit('in', 'bad');
    await turnsUntil(() => failed.length === 1);
    for (const payload of [1, 2]) bus.emit('in', payload);
    await clock.advance(20);
    await turnsUntil(() => outputs().length === 2);
    expect(payloadsOf(outputs())).to.deep.equal([1, 2]);
  });

  it('is built anew with growing delays, which begin anew after ten good seconds', async () => {
    const { bus, clock } = await startPipelines();
    const builds: number[] = [];
    bus.pipeline('p', 'in', (source$: Source) => {
      builds.push(clock.monotonic());
      if (builds.length > 1 && builds.length < 6) raise('build');
      return source$.pipe(map(() => raise('operator')));
    });
    bus.emit('in', 1);
    await clock.advance(1_000);
    const delays = builds.slice(1).map((at, i) => at - builds[i]!);
    expect(delays).to.have.length(5);
    for (const [i, ms] of delays.entries()) expect(ms).to.be.within(8 * 2 ** i, 12 * 2 ** i);
    const before = builds.length;
    await clock.advance(10_000);
    bus.emit('in', 2);
    const failedAt = clock.monotonic();
    await clock.advance(13);
    expect(builds).to.have.length(before + 1);
    expect(builds.at(-1)! - failedAt).to.be.within(8, 12);
  });

  it('warns where nobody listens, once, and not beside the warning about the failed event', async () => {
    const { bus } = await createTestBus();
    const warnings = await warningsOf(async () => {
      bus.pipeline('sync', 'in', fragile('at once'));
      bus.pipeline('async', 'in', fragile('later'));
      bus.emit('in', 'bad');
      await turn();
      await turn();
    });
    expect(warnings.map(({ message }) => /handler of `in`|pipeline `\w+`/.exec(message)?.[0])).to.have.members([
      'handler of `in`',
      'pipeline `async`',
    ]);
  });

  it('does not feed what waited for it when it is undone, and keeps it as a letter', async () => {
    const { bus, clock, outputs } = await startPipelines();
    const undo = bus.pipeline('p', 'in', fragile('at once'));
    for (const payload of ['bad', 1]) bus.emit('in', payload);
    undo();
    await bus.settled();
    await clock.advance(1_000);
    expect(outputs()).to.deep.equal([]);
    await bus.flush();
    expect((await bus.deadLetters.list()).map(({ error }) => error.code ?? error.message)).to.have.members([
      'operator',
      'ABORTED',
    ]);
  });
});

describe('closing with pipelines', () => {
  refuseUnhandledRejections();

  it('gives out what buffers hold, and lets it be handled and stored', async () => {
    const { bus, outputs } = await startPipelines();
    const handled: unknown[] = [];
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        bufferCount(10),
        map((events) => caused(events, output(events.length))),
      ),
    );
    bus.on('out', async ({ payload }, { emit }) => {
      await turn();
      handled.push(payload);
      emit('last', payload);
    });
    for (let i = 0; i < 3; i++) bus.emit('in', i);
    const report = await bus.close();
    expect(payloadsOf(outputs())).to.deep.equal([3]);
    expect(handled).to.deep.equal([3]);
    expect(report).to.deep.include({ cut: 0, unstored: 0 });
    expect(bus.metrics()).to.deep.include({ stored: 5, waiting: 0 });
  });

  it('takes in what handlers emit while they finish', async () => {
    const { bus, outputs } = await startPipelines();
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        bufferCount(10),
        map((events) => output(events.length)),
      ),
    );
    bus.on('job', async (_, { emit }) => {
      await turn();
      emit('in', 1);
    });
    bus.emit('job', null);
    await bus.close();
    expect(payloadsOf(outputs())).to.deep.equal([1]);
  });

  it('waits for what operators give out later, and no longer than a phase may take', async () => {
    const { bus, clock, outputs } = await startPipelines();
    const scheduler = new VirtualTimeScheduler();
    const gate = createGate();
    bus.pipeline('later', 'in', (source$: Source) =>
      source$.pipe(
        concatMap(async (event) => {
          await gate.promise;
          return caused(event, output('later'));
        }),
      ),
    );
    bus.pipeline('never', 'in', (source$: Source) =>
      source$.pipe(
        delay(1, scheduler),
        map(() => output('never')),
      ),
    );
    bus.emit('in', 1);
    const closed = bus.close();
    await turn();
    gate.open();
    await turn();
    expect(payloadsOf(outputs())).to.deep.equal(['later']);
    await clock.advance(10_000);
    await closed;
    const { offered } = bus.metrics();
    scheduler.flush();
    expect(bus.metrics().offered).to.equal(offered);
  });

  it('does not wait for a pipeline that is down and for which nothing waits', async () => {
    const { bus } = await startPipelines();
    bus.pipeline('p', 'in', (source$: Source) => source$.pipe(map(() => raise('operator'))));
    bus.emit('in', 1);
    await bus.close();
  });

  it('feeds what waits for a pipeline that is down before it ends', async () => {
    const { bus, clock, outputs } = await startPipelines();
    bus.pipeline('p', 'in', (source$: Source) =>
      source$.pipe(
        tap(({ payload }) => payload === 'bad' && raise('operator')),
        map(({ payload }) => output(payload)),
      ),
    );
    for (const payload of ['bad', 1, 2]) bus.emit('in', payload);
    const closed = bus.close();
    await clock.advance(20);
    await closed;
    expect(payloadsOf(outputs())).to.deep.equal([1, 2]);
  });
});

/** Fails on every payload 'bad', each time the given way. */
function fragile(how: 'at once' | 'later') {
  return (source$: Source) =>
    how === 'at once'
      ? source$.pipe(
          tap(({ payload }) => payload === 'bad' && raise('operator')),
          map((event) => caused(event, output(event.payload))),
        )
      : source$.pipe(
          concatMap(async (event) => {
            await turn();
            return event.payload === 'bad' ? raise('operator') : caused(event, output(event.payload));
          }),
        );
}

const ids = (events: readonly TelltaleEvent[]): string[] => events.map(({ id }) => id);

function raise(message: string): never {
  throw new Error(message);
}
