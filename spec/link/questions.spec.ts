import { expect } from 'chai';
import { rejectionOf } from '../support/rejection-of.ts';
import { rest, startTeam, type Team } from './team.ts';

describe('a link, questions', () => {
  let team: Team;
  afterEach(() => team.close());

  it('are answered by workers, by turns, and by the parent for them', async () => {
    team = await startTeam(
      (bus, place) => {
        bus.answer('who', () => place);
        bus.answer('relay', ({ payload }, { ask }) => ask('secret', payload));
      },
      { size: 2 },
    );
    await team.pool.ready;
    const answers = [await team.bus.ask('who', 1), await team.bus.ask('who', 1)];
    expect(new Set(answers)).to.deep.equal(new Set([0, 1]));
    team.bus.answer('secret', ({ payload, source }) => `${String(payload)} of ${source}`);
    expect(await team.bus.ask('relay', 'x')).to.match(/^x of main\/team-[12]$/);
    expect(await team.worker(1).ask('who', 1), 'one’s own answerer first').to.equal(1);
    expect(await team.bus.ask('who', 1, { to: 'all' })).to.have.length(2);
  });

  it('go from worker to worker through the parent', async () => {
    team = await startTeam(
      (bus, place) => (place === 0 ? bus.answer('sum', ({ payload }) => (payload as number) + 1) : undefined),
      {
        size: 2,
      },
    );
    await team.pool.ready;
    expect(await team.worker(1).ask('sum', 1)).to.equal(2);
  });

  it('carry correlation, and errors with name, code, cause and members', async () => {
    let seen: unknown;
    team = await startTeam((bus) =>
      bus.answer('fail', ({ correlationId, causationId }) => {
        seen = { correlationId, causationId };
        throw Object.assign(new AggregateError([new RangeError('one')], 'all'), {
          code: 'E_ALL',
          cause: new TypeError('why'),
        });
      }),
    );
    await team.pool.ready;
    const asked = new Promise<Promise<unknown>>((resolve) =>
      team.bus.on('begin', (_, { ask }) => {
        const answer = ask('fail', 1);
        answer.catch(() => undefined);
        resolve(answer);
      }),
    );
    const { id } = team.bus.emit('begin', 1);
    const error = await rejectionOf(asked.then((answer) => answer));
    expect(error.code).to.equal('ASK_FAILED');
    const cause = error.cause as AggregateError & { code: string };
    expect(cause).to.be.instanceOf(AggregateError);
    expect(cause).to.deep.include({ message: 'all', code: 'E_ALL' });
    expect(cause.errors[0]).to.deep.include({ name: 'RangeError', message: 'one' });
    expect(cause.cause).to.deep.include({ name: 'TypeError', message: 'why' });
    expect(seen).to.deep.equal({ correlationId: id, causationId: id });
  });

  it('keep their deadline, and end the answerer’s work with it', async () => {
    let aborted = false;
    team = await startTeam((bus) =>
      bus.answer('slow', (_, { signal }) => {
        signal.addEventListener('abort', () => (aborted = true));
        return new Promise(() => undefined);
      }),
    );
    await team.pool.ready;
    const answer = team.bus.ask('slow', 1, { timeout: 500 });
    answer.catch(() => undefined);
    await rest();
    await team.clock.advance(600);
    expect(await rejectionOf(answer)).to.deep.include({ code: 'TIMEOUT' });
    await rest();
    expect(aborted).to.equal(true);
  });

  it('that come back to whom they went are told at once', async () => {
    team = await startTeam((bus) => bus.answer('a', (_, { ask }) => ask('b', 1)));
    await team.pool.ready;
    team.bus.answer('b', (_, { ask }) => ask('a', 1));
    const error = await rejectionOf(team.bus.ask('a', 1));
    let innermost: unknown = error;
    while ((innermost as Error).cause) innermost = (innermost as Error).cause;
    expect(innermost).to.deep.include({ code: 'ASK_CYCLE' });
  });

  it('nobody answers are told at once, on either side', async () => {
    team = await startTeam(() => undefined);
    await team.pool.ready;
    expect(await rejectionOf(team.bus.ask('nobody', 1))).to.deep.include({ code: 'ASK_NO_ANSWERER' });
    expect(await rejectionOf(team.worker().ask('nobody', 1))).to.deep.include({ code: 'ASK_NO_ANSWERER' });
  });

  it('to a worker that dies fail at once; its successor answers the next', async () => {
    team = await startTeam((bus) =>
      bus.answer('slow', ({ payload }) => (payload === 1 ? new Promise(() => undefined) : 'done')),
    );
    await team.pool.ready;
    const answer = team.bus.ask('slow', 1);
    answer.catch(() => undefined);
    await rest();
    team.kill();
    const error = await rejectionOf(answer);
    expect(error).to.deep.include({ code: 'LINK_BROKEN' });
    expect(error.message).to.match(/`team` is gone and answers no more: it was killed/);
    expect(await rejectionOf(team.bus.ask('slow', 2))).to.deep.include({ code: 'ASK_NO_ANSWERER' });
    await rest();
    await team.clock.advance(1_000);
    await rest();
    expect(await team.bus.ask('slow', 2)).to.equal('done');
  });

  it('are answered in parts, no more of them on their way than the reader takes', async () => {
    let made = 0;
    team = await startTeam((bus) =>
      bus.answer('parts', async function* () {
        for (; made < 200; made++) yield made;
      }),
    );
    await team.pool.ready;
    const parts: unknown[] = [];
    const stream = team.bus.askStream('parts', 1);
    parts.push((await stream.next()).value);
    for (let i = 0; i < 10; i++) await rest();
    expect(made).to.be.below(60);
    for await (const part of stream) parts.push(part);
    expect(parts).to.deep.equal(Array.from({ length: 200 }, (_, n) => n));
  });
});
