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

const askPrice = (bus: Bus, region: string): Promise<unknown> => bus.ask('price', { region });

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

  it('asks another one where the filters behind the link do not take it', async () => {
    const team = await startWorker((own, place) => {
      own.answer('price', () => `EU ${place}`, { where: { 'payload.region': 'EU' } });
      if (place === 1) own.answer('price', () => 'JP', { where: { 'payload.region': { $in: ['JP'] } } });
    }, 2);
    team.bus.answer('price', () => 'US', { where: { 'payload.region': 'US' } });
    for (let i = 0; i < 6; i++) {
      expect(await askPrice(team.bus, 'US')).to.equal('US');
      expect(await askPrice(team.bus, 'EU')).to.match(/^EU/);
      expect(await askPrice(team.bus, 'JP')).to.equal('JP');
      expect(await askPrice(team.worker(0), 'EU'), 'one’s own first').to.equal('EU 0');
      expect(await askPrice(team.worker(0), 'US')).to.equal('US');
      expect(await askPrice(team.worker(0), 'JP'), 'from worker to worker').to.equal('JP');
    }
    expect((await team.worker(0).askStream('price', { region: 'JP' }).next()).value).to.equal('JP');
    for (const bus of [team.bus, team.worker(0), team.worker(1)]) {
      const error = await rejectionOf(askPrice(bus, 'FR'));
      expect(error).to.include({ code: 'ASK_NO_ANSWERER' });
      expect((await rejectionOf(bus.ask('price', { region: 'FR' }, { to: 'all' }))).code).to.equal('ASK_NO_ANSWERER');
      expect(bus.metrics().asks.waiting).to.equal(0);
    }
  });

  it('asks all from wherever: one’s own, the parent’s and those of the other workers', async () => {
    const team = await startWorker((own, place) => {
      own.answer('vote', () => `worker ${place}`);
      own.answer('vote', () => `worker ${place} again`);
      own.answer('vote', () => 'never', { where: { 'payload.at': 'nowhere' } });
    }, 3);
    team.bus.answer('vote', () => 'parent');
    team.bus.answer('vote', () => 'parent again');
    const all = [0, 1, 2].flatMap((place) => [`worker ${place}`, `worker ${place} again`]);
    for (const bus of [team.bus, team.worker(0), team.worker(2)]) {
      const answers = await bus.ask('vote', {}, { to: 'all' });
      expect(answers.map((answer) => answer.ok && answer.value)).to.have.members([...all, 'parent', 'parent again']);
      expect(await bus.ask('vote', {}, { to: { quorum: 8 } })).to.have.length(8);
      const error = await rejectionOf(bus.ask('vote', {}, { to: { quorum: 9 } }));
      expect(error).to.include({ code: 'ASK_NO_QUORUM' });
      expect(error.message).to.include('8 of 8 answered');
    }
    await rest();
    for (const bus of [team.bus, team.worker(0), team.worker(1)]) expect(bus.metrics().asks.waiting).to.equal(0);
  });

  it('asks all in parts and under one deadline, and gives up those whose answers are not needed', async () => {
    const aborted: unknown[] = [];
    const team = await startWorker((own, place) => {
      own.answer('list', async function* () {
        yield place;
        yield place;
      });
      own.answer('list', (_, { signal }) => {
        signal.addEventListener('abort', () => aborted.push([place, (signal.reason as TelltaleError).code]));
        return never();
      });
    }, 2);
    const asked = team.worker(0).ask('list', 1, { to: 'all', timeout: 100 });
    await rest();
    await team.clock.advance(100);
    await rest();
    const answers = await asked;
    expect(answers.map((answer) => (answer.ok ? answer.value : answer.error.code))).to.deep.equal([
      [0, 0],
      'TIMEOUT',
      [1, 1],
      'TIMEOUT',
    ]);
    expect(aborted.splice(0)).to.have.deep.members([
      [0, 'TIMEOUT'],
      [1, 'TIMEOUT'],
    ]);
    expect(await team.worker(0).ask('list', 1, { to: { quorum: 2 } })).to.have.length(2);
    await rest();
    expect(aborted).to.have.deep.members([
      [0, 'ABORTED'],
      [1, 'ABORTED'],
    ]);
    // It has enough before it hears how many there are behind the link.
    team.worker(0).answer('list', () => 'at once');
    expect(await team.worker(0).ask('list', 1, { to: { quorum: 1 } })).to.have.length(1);
    await rest();
    for (const bus of [team.bus, team.worker(0), team.worker(1)]) expect(bus.metrics().asks.waiting).to.equal(0);
  });

  it('counts those behind a link that dies as failed', async () => {
    const team = await startWorker((own, place) => {
      own.answer('vote', () => (place === 1 ? never() : place));
      own.answer('vote', () => (place === 1 ? never() : place));
    }, 2);
    const asked = team.worker(0).ask('vote', 1, { to: 'all' });
    await rest();
    team.kill(1);
    const answers = await asked;
    expect(answers.map((answer) => (answer.ok ? answer.value : answer.error.code))).to.deep.equal([
      0,
      0,
      'LINK_BROKEN',
      'LINK_BROKEN',
    ]);
    expect(team.bus.metrics().asks.waiting).to.equal(0);
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
