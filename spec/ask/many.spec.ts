import { expect } from 'chai';
import type { Answer } from '../../lib/ask/call.ts';
import type { Bus } from '../../lib/api.ts';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, type Gate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

interface Voter {
  readonly gate: Gate<unknown>;
  aborted: boolean;
}

function addVoters(bus: Bus, count: number): readonly Voter[] {
  return Array.from({ length: count }, () => {
    const voter: Voter = { gate: createGate<unknown>(), aborted: false };
    bus.answer('vote', (_, { signal }) => {
      signal.addEventListener('abort', () => (voter.aborted = true));
      return voter.gate.promise;
    });
    return voter;
  });
}

const told = (answers: readonly Answer[]): readonly unknown[] =>
  answers.map((answer) => (answer.ok ? answer.value : answer.error.code));

describe('an ask of all', () => {
  refuseUnhandledRejections();

  it('resolves with the answer of each, failed ones too, in the order in which they came to answer', async () => {
    const { bus } = await createTestBus();
    const voters = addVoters(bus, 3);
    const asked = bus.ask('vote', 1, { to: 'all' });
    voters[2]!.gate.open('third');
    voters[1]!.gate.fail(new Error('no'));
    await turn();
    voters[0]!.gate.open('first');
    const answers = await asked;
    expect(told(answers)).to.deep.equal(['first', 'ASK_FAILED', 'third']);
    expect(answers[1]).to.have.nested.property('error.cause.message', 'no');
  });

  it('asks only those whose filter takes it', async () => {
    const { bus } = await createTestBus();
    bus.answer('vote', () => 'eu', { where: { 'payload.at': 'eu' } });
    bus.answer('vote', () => 'all');
    expect(told(await bus.ask('vote', { at: 'us' }, { to: 'all' }))).to.deep.equal(['all']);
    expect(told(await bus.ask('vote', { at: 'eu' }, { to: 'all' }))).to.deep.equal(['eu', 'all']);
  });

  it('resolves when the time is over, with TIMEOUT for those that have not answered', async () => {
    const { bus, clock } = await createTestBus();
    const voters = addVoters(bus, 2);
    const asked = bus.ask('vote', 1, { to: 'all', timeout: 100 });
    voters[0]!.gate.open('in time');
    await clock.advance(100);
    expect(told(await asked)).to.deep.equal(['in time', 'TIMEOUT']);
    expect(voters.map(({ aborted }) => aborted)).to.deep.equal([false, true]);
    voters[1]!.gate.open('late');
    await turn();
    expect(bus.metrics().asks).to.deep.equal({ asked: 1, answered: 1, failed: 0, waiting: 0, late: 1 });
  });

  it('is told of a full mailbox and of an answerer that went away', async () => {
    const { bus } = await createTestBus();
    const gate = createGate<unknown>();
    bus.answer('vote', () => gate.promise, { concurrency: 1, mailbox: { max: 1 } });
    const leave = bus.answer('vote', () => gate.promise, { concurrency: 1 });
    const asked = [1, 2, 3].map((n) => bus.ask('vote', n, { to: 'all' }));
    leave();
    gate.open('yes');
    expect((await Promise.all(asked)).map(told)).to.deep.equal([
      ['yes', 'yes'],
      ['yes', 'ASK_NO_ANSWERER'],
      ['MAILBOX_FULL', 'ASK_NO_ANSWERER'],
    ]);
  });

  it('collects what is streamed', async () => {
    const { bus } = await createTestBus();
    bus.answer('vote', async function* () {
      yield 1;
      yield 2;
    });
    bus.answer('vote', () => 3);
    expect(told(await bus.ask('vote', 1, { to: 'all' }))).to.deep.equal([[1, 2], 3]);
  });
});

describe('an ask of a quorum', () => {
  refuseUnhandledRejections();

  it('resolves as soon as so many have answered, and gives up the others', async () => {
    const { bus } = await createTestBus();
    const voters = addVoters(bus, 4);
    const asked = bus.ask('vote', 1, { to: { quorum: 2 } });
    voters[3]!.gate.open('d');
    voters[0]!.gate.fail(new Error('no'));
    await turn();
    voters[1]!.gate.open('b');
    expect(told(await asked)).to.deep.equal(['ASK_FAILED', 'b', 'd']);
    expect(voters.map(({ aborted }) => aborted)).to.deep.equal([false, false, true, false]);
    voters[2]!.gate.open('nobody misses it');
    await turn();
    expect(bus.metrics().asks).to.include({ answered: 1, late: 0, waiting: 0 });
  });

  it('asks no more than it needs where answers come at once', async () => {
    const { bus } = await createTestBus();
    let asked = 0;
    for (let i = 0; i < 5; i++) bus.answer('vote', () => ++asked);
    expect(told(await bus.ask('vote', 1, { to: { quorum: 2 } }))).to.deep.equal([1, 2]);
    expect(asked).to.equal(2);
  });

  it('rejects as soon as it cannot be reached, with the errors of those that failed', async () => {
    const { bus } = await createTestBus();
    const voters = addVoters(bus, 3);
    const asked = bus.ask('vote', 1, { to: { quorum: 2 } });
    voters[0]!.gate.fail(new Error('one'));
    voters[1]!.gate.fail(new Error('two'));
    const error = await rejectionOf(asked);
    expect(error.code).to.equal('ASK_NO_QUORUM');
    expect(error.message).to.equal('`vote` cannot get 2 answers: 0 of 3 answered, 2 failed');
    const { errors } = error.cause as AggregateError;
    expect(errors.map(({ cause }) => (cause as Error).message)).to.deep.equal(['one', 'two']);
    await turn();
    expect(voters[2]!.aborted).to.equal(true);
  });

  it('rejects before anybody is asked where there are too few', async () => {
    const { bus } = await createTestBus();
    let asked = 0;
    bus.answer('vote', () => ++asked);
    const error = await rejectionOf(bus.ask('vote', 1, { to: { quorum: 2 } }));
    expect(error.code).to.equal('ASK_NO_QUORUM');
    expect(error.details).to.include({ needed: 2, answered: 0, of: 1 });
    expect(asked).to.equal(0);
  });

  it('rejects with TIMEOUT when its time is over', async () => {
    const { bus, clock } = await createTestBus();
    addVoters(bus, 3)[0]!.gate.open('a');
    const asked = rejectionOf(bus.ask('vote', 1, { to: { quorum: 2 } }));
    await clock.advance(5_000);
    expect((await asked).code).to.equal('TIMEOUT');
    expect(bus.metrics().asks).to.include({ failed: 1, waiting: 0 });
  });
});
