import { expect } from 'chai';
import type { Bus } from '../../lib/api.ts';
import type { TelltaleError } from '../../lib/errors.ts';
import { toPlain } from '../../lib/event/to-plain.ts';
import { rest, startTeam } from '../link/team.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

const never = (): Promise<never> => new Promise(() => undefined);

/** A bus and one worker that has run its script. */
async function startWorker(script: (bus: Bus, place: number) => unknown, size = 1) {
  const team = await startTeam(script, { size });
  await rest();
  return team;
}

function throwAll(): never {
  const inner = Object.assign(new TypeError('inner'), { code: 'E_INNER' });
  const cause = new RangeError('the reason', { cause: inner });
  throw Object.assign(new AggregateError([inner, new Error('second')], 'two tries', { cause }), {
    code: 'E_TRIES',
    tries: [1, 2],
  });
}

/** What of an error is the same on both sides of a link: everything but the very object. */
function told(error: unknown): unknown {
  return toPlain(error);
}

describe('asking over a link', () => {
  refuseUnhandledRejections();

  it('goes to a worker, from a worker, and from worker to worker', async () => {
    const team = await startWorker((own, place) => own.answer(`worker-${place}.asked`, () => place), 2);
    team.bus.answer('parent.asked', () => 'parent');
    expect(await team.bus.ask('worker-1.asked', 1)).to.equal(1);
    expect(await team.worker(0).ask('parent.asked', 1)).to.equal('parent');
    expect(await team.worker(0).ask('worker-1.asked', 1)).to.equal(1);
    expect(await team.worker(0).ask('worker-0.asked', 1), 'its own').to.equal(0);
    for (const one of [team.bus, team.worker(0), team.worker(1)]) expect(one.metrics().asks.waiting).to.equal(0);
  });

  it('is refused where nobody answers, on either side', async () => {
    const team = await startWorker(() => undefined);
    expect((await rejectionOf(team.bus.ask('nobody', 1))).code).to.equal('ASK_NO_ANSWERER');
    expect((await rejectionOf(team.worker().ask('nobody', 1))).code).to.equal('ASK_NO_ANSWERER');
  });

  it('rejects in the same shape as within a thread: name, code, cause, members and own fields', async () => {
    const { bus } = await startWorker((own) => own.answer('remote', throwAll));
    bus.answer('local', throwAll);
    const local = await rejectionOf(bus.ask('local', 1));
    const remote = await rejectionOf(bus.ask('remote', 1));
    expect([remote.code, remote.message]).to.deep.equal([local.code, local.message.replace('local', 'remote')]);
    const without = (error: unknown): unknown =>
      JSON.parse(JSON.stringify(told(error), (key, value: unknown) => (key === 'stack' ? undefined : value)));
    expect(without(remote.cause)).to.deep.equal(without(local.cause));
    expect(remote.cause).to.be.instanceOf(AggregateError);
    expect((remote.cause as Error).stack).to.equal((told(remote.cause) as { stack: string }).stack);
    expect((remote.cause as AggregateError).errors[0]).to.be.instanceOf(TypeError);
    expect((remote.cause as AggregateError).errors[0]).to.include({ name: 'TypeError', code: 'E_INNER' });
  });

  it('hands the deadline on, and ends the answerer when its asker gives up', async () => {
    const seen: unknown[] = [];
    const { bus, clock } = await startWorker((own) =>
      own.answer('job', async (_, { deadline, signal }) => {
        seen.push(deadline! - clock.now());
        signal.addEventListener('abort', () => seen.push((signal.reason as TelltaleError).code));
        await never();
      }),
    );
    bus.answer('outer', async (_, { ask }) => {
      await new Promise<void>((resolve) => clock.after(100, resolve));
      return ask('job', 1);
    });
    const asked = rejectionOf(bus.ask('outer', 1, { timeout: 400 }));
    await clock.advance(100);
    await rest();
    expect(seen).to.deep.equal([300]);
    await clock.advance(300);
    await rest();
    expect((await asked).code).to.equal('TIMEOUT');
    expect(seen).to.deep.equal([300, 'TIMEOUT']);
    const controller = new AbortController();
    const aborted = rejectionOf(bus.ask('job', 1, { signal: controller.signal }));
    await rest();
    controller.abort();
    await rest();
    expect((await aborted).code).to.equal('ABORTED');
    expect(seen.slice(2)).to.deep.equal([5_000, 'ABORTED']);
  });

  it('is ASK_CYCLE where a chain of questions comes back over the link', async () => {
    const { bus } = await startWorker((own) => own.answer('a', (_, { ask }) => ask('b', 1)));
    bus.answer('b', (_, { ask }) => ask('a', 1));
    for (const type of ['a', 'b']) {
      let error: unknown = await rejectionOf(bus.ask(type, 1));
      while ((error as Error).cause) error = (error as Error).cause;
      expect(error, type).to.include({ code: 'ASK_CYCLE' });
    }
  });

  it('streams, held back by its reader, and ends with the loop', async () => {
    const state = { yielded: 0, ended: false };
    const { bus } = await startWorker((own) =>
      own.answer('count', async function* () {
        try {
          while (true) yield ++state.yielded;
        } finally {
          state.ended = true;
        }
      }),
    );
    const parts = bus.askStream('count', 1);
    await rest();
    expect(state.yielded, 'parts on their way and parts that wait').to.be.at.most(64);
    for (let i = 1; i <= 100; i++) expect((await parts.next()).value).to.equal(i);
    await parts.return!();
    await rest();
    expect(state.ended).to.equal(true);
    expect(bus.metrics().asks.waiting).to.equal(0);
  });

  it('streams for longer than its timeout, as long as parts come', async () => {
    const team = await startWorker((own) =>
      own.answer('slow', async function* () {
        for (let i = 0; i < 10; i++) {
          await new Promise<void>((resolve) => team.clock.after(60, resolve));
          yield i;
        }
      }),
    );
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const part of team.bus.askStream('slow', 1, { timeout: 100 })) got.push(part);
    })();
    await rest();
    for (let i = 0; i < 10; i++) {
      await team.clock.advance(60);
      await rest();
    }
    await reading;
    expect(got).to.have.length(10);
    expect(team.worker().metrics().asks).to.include({ late: 0, waiting: 0 });
  });

  it('asks all, on both sides of the link', async () => {
    const { bus } = await startWorker((own, place) => own.answer('vote', () => `worker ${place}`), 2);
    bus.answer('vote', () => 'parent');
    const answers = await bus.ask('vote', 1, { to: 'all' });
    expect(answers.map((answer) => answer.ok && answer.value)).to.have.members(['parent', 'worker 0', 'worker 1']);
  });

  it('fails at once where the worker dies with the question', async () => {
    const team = await startWorker((own) => own.answer('job', never));
    const asked = rejectionOf(team.bus.ask('job', 1));
    await rest();
    team.kill();
    const error = await asked;
    expect(error.code).to.equal('LINK_BROKEN');
    expect(team.bus.metrics().asks.waiting).to.equal(0);
  });

  it('keeps correlation and cause: what an answerer in a worker emits belongs to who asked', async () => {
    const { bus } = await startWorker((own) => own.answer('job', (_, { emit }) => void emit('job.done', 1)));
    bus.on('go', (_, { ask }) => ask('job', 1));
    const { id } = bus.emit('go', 1);
    await bus.settled();
    await rest();
    await bus.flush();
    const [done] = (await bus.query({ type: 'job.done' })).events;
    expect(done).to.include({ causationId: id, correlationId: id });
  });
});
